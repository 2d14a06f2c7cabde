import type { Message } from '../text/prompt.js';
import type { ToolCall } from '../text/tools.js';

/** Most bytes of one attribute that holds messages. */
export const CONTENT_MAX = 256 * 1024;

type TextPart = { type: 'text' | 'reasoning'; content: string };
type CallPart = { type: 'tool_call'; id?: string; name: string; arguments: string };
interface SpanMessage {
  role: string;
  parts: (TextPart | CallPart)[];
  finish_reason?: string;
}

/** `gen_ai.input.messages`, as the GenAI conventions have it. */
export function inputMessages(messages: readonly Message[], limit = CONTENT_MAX): string {
  return encode(
    messages.map(({ role, content, toolCalls = [] }) => ({
      role,
      parts: [{ type: 'text', content }, ...toolCalls.map(callPart)],
    })),
    limit,
  );
}

/** `gen_ai.output.messages`: one answer, its reasoning a part of its own. */
export function outputMessages(
  answer: {
    reasoning: string;
    content: string;
    calls?: readonly (ToolCall & { id: string })[];
    finishReason: string;
  },
  limit = CONTENT_MAX,
): string {
  const parts: SpanMessage['parts'] = [];
  if (answer.reasoning !== '') parts.push({ type: 'reasoning', content: answer.reasoning });
  if (answer.content !== '') parts.push({ type: 'text', content: answer.content });
  parts.push(...(answer.calls ?? []).map(callPart));
  return encode([{ role: 'assistant', parts, finish_reason: answer.finishReason }], limit);
}

const callPart = ({ id, name, args }: ToolCall & { id?: string }): CallPart => ({
  type: 'tool_call',
  ...(id !== undefined && { id }),
  name,
  arguments: args,
});

/** JSON of at most `limit` bytes: where it is too much, older text gives way to newer. */
function encode(messages: readonly SpanMessage[], limit: number): string {
  for (let room = limit; ; room = Math.floor(room / 2)) {
    const json = JSON.stringify(room === limit ? messages : newest(messages, room));
    if (Buffer.byteLength(json) <= limit || room === 0) return json;
  }
}

function newest(messages: readonly SpanMessage[], characters: number): SpanMessage[] {
  let room = characters;
  const kept: SpanMessage[] = [];
  for (const message of messages.toReversed()) {
    if (room <= 0) break;
    const parts = message.parts.toReversed().map((part) => {
      const whole = part.type === 'tool_call' ? part.arguments : part.content;
      const text = whole.slice(Math.max(0, whole.length - room)).toWellFormed();
      room -= text.length;
      return part.type === 'tool_call' ? { ...part, arguments: text } : { ...part, content: text };
    });
    kept.push({ ...message, parts: parts.toReversed() });
  }
  return kept.toReversed();
}
