/**
 * rep-n: 1 - distinct n-grams / all n-grams (Welleck et al., arXiv 1908.04319). 0 where nothing recurs, towards 1 the
 * more does. Exact, and linear in the number of tokens.
 *
 * @param n length of the n-grams in tokens, at least 1
 * @returns a share from 0 to 1, or `null` where there are fewer than `n` tokens and so no n-gram
 * @throws RangeError when `n` is not a whole number of at least 1
 */
export function repetition(tokens: readonly string[], n = 4): number | null {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`n must be a whole number of at least 1, and is ${n}`);
  const all = tokens.length - n + 1;
  if (all < 1) return null;
  const words = new Map<string, number>();
  const ids = tokens.map((token) => number(words, token));
  // Each round makes k-grams' numbers out of those of (k-1)-grams and words: pairs of small whole numbers, so exact.
  let grams = ids;
  let distinct = words.size;
  for (let k = 2; k <= n; k++) {
    const pairs = new Map<number, number>();
    const longer: number[] = [];
    for (let i = 0; i + k <= ids.length; i++) longer.push(number(pairs, grams[i]! * words.size + ids[i + k - 1]!));
    grams = longer;
    distinct = pairs.size;
  }
  return 1 - distinct / all;
}

/** The number of a key: its place in the order of first appearance. */
function number<K>(known: Map<K, number>, key: K): number {
  const found = known.get(key);
  if (found !== undefined) return found;
  known.set(key, known.size);
  return known.size - 1;
}
