/** `, did you mean x?` for the candidate nearest to a mistyped word, or nothing where none is near. */
export function suggestion(word: string, candidates: readonly string[]): string {
  // No word that somebody meant is that long, and the distance costs time.
  if (word.length > 100) return '';
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** What ends a sentence that a suggestion may have ended. */
export const fullStop = (end: string): string => (end.endsWith('?') ? '' : '.');

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
