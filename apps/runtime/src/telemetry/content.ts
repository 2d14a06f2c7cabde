import type { Message } from '../text/prompt.js';
import type { ToolCall } from '../text/tools.js';

/** Most bytes of one attribute that holds messages. */
export const CONTENT_MAX = 256 * 1024;

/** What a message or a part of one takes up beside its text, about: many empty ones are not for nothing. */
const OVERHEAD = 32;

type Part =
  | { type: 'text' | 'reasoning'; content: string }
  | { type: 'tool_call'; id?: string; name: string; arguments: string }
  | { type: 'tool_call_response'; response: string };
interface SpanMessage {
  role: string;
  parts: Part[];
  finish_reason?: string;
}

/** One answer, as far as a span tells it. */
export interface OutputMessage {
  reasoning: string;
  content: string;
  calls?: readonly (ToolCall & { id: string })[];
  finishReason: string;
}

/** `gen_ai.input.messages`, as the GenAI conventions have it: JSON of at most `limit` bytes, older text left out first. */
export function inputMessages(messages: readonly Message[], limit = CONTENT_MAX): string {
  // Of more than these there is no room for.
  const newer = messages.slice(-Math.ceil(limit / OVERHEAD));
  return encode(newer.map(inputMessage), limit);
}

/** `gen_ai.output.messages`: a message for each answer, its reasoning a part of its own. */
export function outputMessages(answers: readonly OutputMessage[], limit = CONTENT_MAX): string {
  return encode(answers.map(outputMessage), limit);
}

function inputMessage({ role, content, toolCalls = [] }: Message): SpanMessage {
  if (role === 'tool') return { role, parts: [{ type: 'tool_call_response', response: content }] };
  return { role, parts: [{ type: 'text', content }, ...toolCalls.map(callPart)] };
}

function outputMessage({ reasoning, content, calls = [], finishReason }: OutputMessage): SpanMessage {
  const parts: Part[] = [];
  if (reasoning !== '') parts.push({ type: 'reasoning', content: reasoning });
  if (content !== '') parts.push({ type: 'text', content });
  parts.push(...calls.map(callPart));
  return { role: 'assistant', parts, finish_reason: finishReason };
}

const callPart = ({ id, name, args }: ToolCall & { id?: string }): Part => ({
  type: 'tool_call',
  ...(id !== undefined && { id }),
  name,
  arguments: args,
});

/** JSON of at most `limit` bytes: where it is too much, older text gives way to newer. */
function encode(messages: readonly SpanMessage[], limit: number): string {
  if (sizeOf(messages) <= limit) {
    const json = JSON.stringify(messages);
    if (Buffer.byteLength(json) <= limit) return json;
  }
  for (let room = limit; ; room = Math.floor(room / 2)) {
    const json = JSON.stringify(newest(messages, room));
    if (Buffer.byteLength(json) <= limit || room === 0) return json;
  }
}

/** Characters of all texts. */
const sizeOf = (messages: readonly SpanMessage[]): number =>
  messages.reduce((sum, { parts }) => sum + parts.reduce((size, part) => size + textOf(part).length, 0), 0);

function newest(messages: readonly SpanMessage[], characters: number): SpanMessage[] {
  let room = characters;
  const kept: SpanMessage[] = [];
  for (const message of messages.toReversed()) {
    if (room <= 0) break;
    const parts = message.parts.toReversed().map((part) => {
      const whole = textOf(part);
      const text = whole.slice(Math.max(0, whole.length - Math.max(room, 0))).toWellFormed();
      room -= text.length;
      return withText(part, text);
    });
    room -= OVERHEAD;
    kept.push({ ...message, parts: parts.toReversed() });
  }
  return kept.toReversed();
}

function textOf(part: Part): string {
  if (part.type === 'tool_call') return part.arguments;
  return part.type === 'tool_call_response' ? part.response : part.content;
}

function withText(part: Part, text: string): Part {
  if (part.type === 'tool_call') return { ...part, arguments: text };
  return part.type === 'tool_call_response' ? { ...part, response: text } : { ...part, content: text };
}
