import { z } from 'zod';
import { badParameter } from './errors.js';

/** Where a list goes on: the sort key of its last item, in a form that is only to be given back. */
export function encodeCursor(key: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** @throws ApiError (400) where it is none of ours, whatever it holds */
export function decodeCursor<T>(text: string | undefined, schema: z.ZodType<T>): T | undefined {
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  } catch {
    throw badParameter('"cursor" is not one that this list has given: give back "next" of the page before, as it is.');
  }
}

/** Cuts a page off one row more than it holds, which tells whether there is a next one. */
export function page<T>(
  rows: readonly T[],
  limit: number,
  key: (last: T) => readonly unknown[],
): { items: T[]; next: string | null } {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? encodeCursor(key(items.at(-1)!)) : null };
}

/** A time in a cursor: to the microsecond, as PostgreSQL keeps it. */
export const INSTANT = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  .refine((text) => isDate(text));

/** The same of a column, in SQL. */
export const INSTANT_SQL = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** A day that no month has, or the year 0, would be an error of PostgreSQL's. */
function isDate(text: string): boolean {
  const parsed = new Date(text);
  return parsed.getTime() >= 0 && parsed.toISOString().slice(0, 19) === text.slice(0, 19);
}
