/** Texts are measured up to this many UTF-16 units; of a longer one the end, where a runaway model loops. */
export const MAX_TEXT_LENGTH = 2 ** 20;

/**
 * A Chinese, Japanese or Korean character by itself, or a run of other letters, digits and marks. `scx` reaches
 * characters that several scripts share, such as the Japanese long-vowel mark.
 */
const TOKEN =
  /[\p{L}&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}]]|[[\p{L}\p{N}\p{M}]--[\p{L}&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}]]]+/gv;

/**
 * The words of a text in lower case, in order; Chinese, Japanese and Korean by character. Punctuation, symbols and
 * spaces part words and are none. Linear in the text.
 */
export function tokenize(text: string): string[] {
  const bounded = text.length > MAX_TEXT_LENGTH ? text.slice(-MAX_TEXT_LENGTH) : text;
  return bounded.toLowerCase().match(TOKEN) ?? [];
}
