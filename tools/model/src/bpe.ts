/**
 * Byte-level BPE as GPT-2 and Qwen2 use it: every byte is written as one printable character, so that tokens are
 * plain strings and any UTF-8 can be said.
 */
const BYTE_TO_CHARACTER: readonly string[] = (() => {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
})();
const CHARACTER_TO_BYTE = new Map(BYTE_TO_CHARACTER.map((character, byte) => [character, byte]));

/** The 256 tokens of one byte, in the order of the bytes. */
export const byteTokens = (): string[] => [...BYTE_TO_CHARACTER];

/** Bytes in the vocabulary's spelling. */
export const spell = (bytes: Uint8Array): string => Array.from(bytes, (b) => BYTE_TO_CHARACTER[b]!).join('');

/** The bytes that a token of the vocabulary stands for. */
export const unspell = (token: string): Uint8Array =>
  Uint8Array.from(token, (character) => CHARACTER_TO_BYTE.get(character) ?? 0x3f);

/** The pieces that merges never cross; Qwen2's expression, which llama.cpp knows as `deepseek-r1-qwen`. */
const PIECES =
  /(?:'[sdmtSDMT]|'(?:ll|ve|re|LL|VE|RE))|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/**
 * Learns merges from a text: again and again the most frequent pair of neighbours becomes a token.
 * @returns pairs, the first learned first; equal frequencies are decided by spelling, so the result is the same everywhere
 */
export function learnMerges(text: string, count: number): [string, string][] {
  const words = new Map<string, number>();
  for (const [piece] of text.matchAll(PIECES)) {
    const spelled = spell(Buffer.from(piece, 'utf8'));
    words.set(spelled, (words.get(spelled) ?? 0) + 1);
  }
  const corpus = [...words].map(([word, times]) => ({ parts: [...word], times }));
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const best = mostFrequentPair(corpus);
    if (!best) break;
    merges.push(best);
    for (const word of corpus) word.parts = join(word.parts, best);
  }
  return merges;
}

function mostFrequentPair(corpus: readonly { parts: string[]; times: number }[]): [string, string] | undefined {
  const counts = new Map<string, number>();
  for (const { parts, times } of corpus)
    for (let i = 1; i < parts.length; i++) {
      const pair = `${parts[i - 1]} ${parts[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + times);
    }
  let best: string | undefined;
  let most = 1;
  for (const [pair, times] of counts)
    if (times > most || (times === most && best !== undefined && pair < best)) [best, most] = [pair, times];
  return best?.split(' ') as [string, string] | undefined;
}

function join(parts: readonly string[], [left, right]: readonly [string, string]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    if (parts[i] === left && parts[i + 1] === right) {
      joined.push(left + right);
      i++;
    } else joined.push(parts[i]!);
  }
  return joined;
}
