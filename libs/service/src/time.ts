import { parseDuration } from './config.js';

/**
 * Reads a time: ISO 8601, Unix seconds, `now`, or `now-1h`.
 * @returns undefined where the text is none of them
 */
export function parseTime(given: string, now: Date): Date | undefined {
  const relative = /^now(?:-(.+))?$/.exec(given);
  if (relative) {
    const back = relative[1] === undefined ? 0 : parseDuration(relative[1]);
    return back === undefined ? undefined : valid(now.getTime() - back * 1000);
  }
  if (/^\d{1,10}(\.\d+)?$/.test(given)) return valid(Number(given) * 1000);
  const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.exec(given);
  // A time without a zone is UTC, whatever zone this process runs in.
  return iso && isDay(given.slice(0, 10)) ? valid(Date.parse(iso[1] && !iso[4] ? `${given}Z` : given)) : undefined;
}

/** `Date.parse` takes 30 February for 2 March. */
function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

const valid = (milliseconds: number): Date | undefined =>
  milliseconds >= 0 && Number.isFinite(milliseconds) ? new Date(milliseconds) : undefined;
