import { parseDuration } from '@vigil/service';
import { badParameter } from './errors.js';

/** A query as Fastify reads it: a parameter that is given twice is a list. */
export type Query = Readonly<Record<string, string | string[] | undefined>>;

const MAX_LENGTH = 1000;

/** Refuses parameters that nobody reads, so that a mistyped filter does not quietly select everything. */
export function knownOnly(query: Query, known: readonly string[]): void {
  for (const name of Object.keys(query))
    if (!known.includes(name)) throw badParameter(`There is no parameter "${name}"; there are ${known.join(', ')}.`);
}

/** One value, undefined where it is absent or empty. */
export function text(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw badParameter(`"${name}" is given twice; give it once.`);
  if (value.length > MAX_LENGTH) throw badParameter(`"${name}" is longer than ${MAX_LENGTH} characters.`);
  if (value.includes('\0')) throw badParameter(`"${name}" holds a NUL character, which no value here can hold.`);
  return value;
}

/** Values separated by commas, or given several times. */
export function list(query: Query, name: string): string[] | undefined {
  const value = query[name];
  if (value === undefined) return undefined;
  const words = [value].flat().flatMap((part) => part.split(','));
  return words.map((word) => word.trim()).filter((word) => word !== '');
}

/** One of a few words, or several of them. */
export function choices<const T extends string>(query: Query, name: string, known: readonly T[]): T[] | undefined {
  const words = list(query, name);
  for (const word of words ?? [])
    if (!known.includes(word as T))
      throw badParameter(`"${name}" is "${word}": one of ${known.join(', ')} is expected.`);
  return words?.length ? (words as T[]) : undefined;
}

export function wholeNumber(query: Query, name: string, preset: number, min: number, max: number): number {
  const given = text(query, name);
  if (given === undefined) return preset;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw badParameter(`"${name}" is "${given}": a whole number from ${min} to ${max} is expected.`);
}

const TIME = 'a time such as 2026-03-01T10:00:00Z, 1772359200 (Unix seconds), now or now-1h is expected';

/** A time: ISO 8601, Unix seconds, `now`, or `now-1h`. */
export function time(query: Query, name: string, now: Date): Date | undefined {
  const given = text(query, name);
  if (given === undefined) return undefined;
  // A "+" of a time zone that nobody encoded arrives as a blank.
  const value = parseTime(given.replace(/ (?=\d\d:?\d\d$)/, '+'), now);
  if (value) return value;
  throw badParameter(`"${name}" is "${given}": ${TIME}.`);
}

function parseTime(given: string, now: Date): Date | undefined {
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
export function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

const valid = (milliseconds: number): Date | undefined =>
  milliseconds >= 0 && Number.isFinite(milliseconds) ? new Date(milliseconds) : undefined;

/** Ten years: no answer here spans more, and PostgreSQL's intervals end somewhere. */
const MAX_SECONDS = 3650 * 86_400;

/** A duration such as `30s`, or plain seconds. */
export function seconds(query: Query, name: string): number | undefined {
  const given = text(query, name);
  if (given === undefined) return undefined;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : parseDuration(given);
  if (value !== undefined && value > 0 && value <= MAX_SECONDS) return value;
  throw badParameter(`"${name}" is "${given}": a duration such as 30s, 5m or 1h is expected, ten years at the most.`);
}
