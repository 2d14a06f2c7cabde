import type { Message } from '../text/prompt.js';

/** Most bytes of one attribute that holds messages. */
export const CONTENT_MAX = 256 * 1024;

interface SpanMessage {
  role: string;
  parts: { type: 'text' | 'reasoning'; content: string }[];
  finish_reason?: string;
}

/** `gen_ai.input.messages`, as the GenAI conventions have it. */
export function inputMessages(messages: readonly Message[], limit = CONTENT_MAX): string {
  return encode(
    messages.map(({ role, content }) => ({ role, parts: [{ type: 'text', content }] })),
    limit,
  );
}

/** `gen_ai.output.messages`: one answer, its reasoning a part of its own. */
export function outputMessages(
  answer: { reasoning: string; content: string; finishReason: string },
  limit = CONTENT_MAX,
): string {
  const parts: SpanMessage['parts'] = [];
  if (answer.reasoning !== '') parts.push({ type: 'reasoning', content: answer.reasoning });
  if (answer.content !== '') parts.push({ type: 'text', content: answer.content });
  return encode([{ role: 'assistant', parts, finish_reason: answer.finishReason }], limit);
}

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
    const parts = message.parts.toReversed().map(({ type, content }) => {
      const text = content.slice(Math.max(0, content.length - room)).toWellFormed();
      room -= text.length;
      return { type, content: text };
    });
    kept.push({ ...message, parts: parts.toReversed() });
  }
  return kept.toReversed();
}
