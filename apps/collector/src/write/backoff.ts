const FIRST_MS = 500;
const LONGEST_MS = 10_000;

/** How long to wait after so many failures in a row, at least one: 0.5 s, doubling up to 10 s. In milliseconds. */
export function backoffMs(failures: number): number {
  return Math.min(FIRST_MS * 2 ** Math.min(Math.max(failures - 1, 0), 30), LONGEST_MS);
}
