import { parseDuration, parseTime } from '@vigil/service';
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
