/** A message as the engine takes it: text only. */
export interface Message {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string;
}

/** A piece of a prompt. Only ours may be special tokens: what a client wrote is always text. */
export type Segment = { special: string } | { text: string };

export const USER = '<｜User｜>';
export const ASSISTANT = '<｜Assistant｜>';
export const BEGIN = '<｜begin▁of▁sentence｜>';
export const END = '<｜end▁of▁sentence｜>';
export const THINK_BEGIN = '<think>';
export const THINK_END = '</think>';

/**
 * DeepSeek-R1's chat template: system texts first, the reasoning of earlier turns left out, and for a model that
 * reasons `<think>` and a newline at the end, so that it begins in its reasoning.
 */
export function renderPrompt(messages: readonly Message[], reasons: boolean): Segment[] {
  const segments: Segment[] = [{ special: BEGIN }];
  const text = (content: string) => content !== '' && segments.push({ text: content });
  text(
    messages
      .filter(({ role }) => role === 'system' || role === 'developer')
      .map(({ content }) => content)
      .join('\n\n'),
  );
  for (const { role, content } of messages) {
    if (role === 'user' || role === 'tool') {
      segments.push({ special: USER });
      text(content);
    } else if (role === 'assistant') {
      segments.push({ special: ASSISTANT });
      text(withoutReasoning(content));
      segments.push({ special: END });
    }
  }
  segments.push({ special: ASSISTANT });
  if (reasons) segments.push({ special: THINK_BEGIN }, { text: '\n' });
  return segments;
}

/** What follows the last `</think>`; a reasoning that was never closed is no answer at all. */
export function withoutReasoning(content: string): string {
  const end = content.lastIndexOf(THINK_END);
  if (end >= 0) return content.slice(end + THINK_END.length).trimStart();
  const begin = content.indexOf(THINK_BEGIN);
  return begin >= 0 ? content.slice(0, begin) : content;
}
