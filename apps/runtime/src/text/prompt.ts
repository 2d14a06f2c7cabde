import { ARGS_BEGIN, ARGS_END, describeTools, KIND, TOOL_TOKENS, type Tool, type ToolCall } from './tools.js';

/** A message as the engine takes it: text only. */
export interface Message {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string;
  /** Of an assistant that called tools. */
  toolCalls?: readonly ToolCall[] | undefined;
}

/** A piece of a prompt. Only ours may be special tokens: what a client wrote is always text. */
export type Segment = { special: string } | { text: string };

export const USER = '<｜User｜>';
export const ASSISTANT = '<｜Assistant｜>';
export const BEGIN = '<｜begin▁of▁sentence｜>';
export const END = '<｜end▁of▁sentence｜>';
export const THINK_BEGIN = '<think>';
export const THINK_END = '</think>';

/** What a model makes of a prompt. */
export interface Manner {
  /** It opens its answers with reasoning. */
  reasons: boolean;
  /** It knows DeepSeek's tokens for calls of tools. */
  callsTools: boolean;
}

/**
 * DeepSeek-R1's chat template: system texts first, then the tools; the reasoning of earlier turns left out; and for a
 * model that reasons `<think>` and a newline at the end, so that it begins in its reasoning. After what a tool said
 * the template asks for no new reasoning: the answer goes on.
 * @returns `primed`: the prompt ends in an open reasoning
 */
export function renderPrompt(
  messages: readonly Message[],
  { reasons, callsTools }: Manner,
  tools: readonly Tool[] = [],
): { segments: Segment[]; primed: boolean } {
  const segments: Segment[] = [{ special: BEGIN }];
  const text = (content: string) => content !== '' && segments.push({ text: content });
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map((m) => m.content);
  if (tools.length > 0) system.push(describeTools(tools));
  text(system.join('\n\n'));
  let outputs = 0;
  const endOutputs = () => outputs > 0 && segments.push({ special: TOOL_TOKENS.outputsEnd });
  for (const { role, content, toolCalls } of messages) {
    if (role === 'tool' && callsTools) {
      segments.push(...outputSegments(content, outputs++));
      continue;
    }
    if (role === 'system' || role === 'developer') continue;
    const wentOn = outputs > 0;
    endOutputs();
    outputs = 0;
    if (role !== 'assistant') {
      segments.push({ special: USER });
      text(content);
    } else {
      if (!wentOn) segments.push({ special: ASSISTANT });
      text(withoutReasoning(content));
      if (callsTools && toolCalls) segments.push(...callSegments(toolCalls));
      segments.push({ special: END });
    }
  }
  if (outputs > 0) {
    endOutputs();
    return { segments, primed: false };
  }
  segments.push({ special: ASSISTANT });
  if (reasons) segments.push({ special: THINK_BEGIN }, { text: '\n' });
  return { segments, primed: reasons };
}

function callSegments(calls: readonly ToolCall[]): Segment[] {
  if (calls.length === 0) return [];
  const { callsBegin, callBegin, separator, callEnd, callsEnd } = TOOL_TOKENS;
  return [
    { special: callsBegin },
    ...calls.flatMap(({ name, args }, i): Segment[] => [
      ...(i > 0 ? [{ text: '\n' }] : []),
      { special: callBegin },
      { text: KIND },
      { special: separator },
      { text: `${name}${ARGS_BEGIN}${args}${ARGS_END}` },
      { special: callEnd },
    ]),
    { special: callsEnd },
  ];
}

function outputSegments(content: string, before: number): Segment[] {
  const { outputsBegin, outputBegin, outputEnd } = TOOL_TOKENS;
  return [
    before === 0 ? { special: outputsBegin } : { text: '\n' },
    { special: outputBegin },
    ...(content === '' ? [] : [{ text: content }]),
    { special: outputEnd },
  ];
}

/** What follows the last `</think>`; a reasoning that was never closed is no answer at all. */
export function withoutReasoning(content: string): string {
  const end = content.lastIndexOf(THINK_END);
  if (end >= 0) return content.slice(end + THINK_END.length).trimStart();
  return content.trimStart().startsWith(THINK_BEGIN) ? '' : content;
}
