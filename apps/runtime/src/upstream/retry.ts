/** Seconds. */
const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 2;
/** A client is not kept waiting for longer than this by an upstream that asked to be left alone. */
const LONGEST_REST = 5;

/**
 * Seconds to wait before the same upstream is asked again, with a random part so that many do not come at once;
 * undefined where it asked for more than a client is kept waiting.
 * @param tries that there were
 * @param rest seconds that the upstream still wants to be left alone; none or less than 0 where it does not
 */
export function retryPause(tries: number, rest: number, random: () => number = Math.random): number | undefined {
  if (rest > LONGEST_REST) return undefined;
  const pause = Math.min(FIRST_PAUSE * 2 ** Math.min(Math.max(tries - 1, 0), 20), LONGEST_PAUSE);
  return Math.max(pause * (0.5 + random() / 2), rest);
}
