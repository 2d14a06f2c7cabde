export interface SplitText {
  /** `null` where nothing says that the text reasons. */
  reasoning: string | null;
  answer: string;
  /** Whether the reasoning ended; `null` where there is none. */
  closed: boolean | null;
}

const OPEN = '<think>';
const CLOSE = '</think>';

/**
 * Parts raw output of a reasoning model at its first `</think>`. R1's chat template puts `<think>` into the prompt, so
 * a missing opening tag is normal; a missing closing one is not: then all of the text is reasoning. A text with
 * neither tag counts as an answer. Both parts come without the space around them.
 */
export function splitReasoning(text: string): SplitText {
  const start = text.trimStart();
  const opened = start.startsWith(OPEN);
  const body = opened ? start.slice(OPEN.length) : text;
  const close = body.indexOf(CLOSE);
  if (close >= 0)
    return { reasoning: body.slice(0, close).trim(), answer: body.slice(close + CLOSE.length).trim(), closed: true };
  if (opened) return { reasoning: body.trim(), answer: '', closed: false };
  return { reasoning: null, answer: text.trim(), closed: null };
}
