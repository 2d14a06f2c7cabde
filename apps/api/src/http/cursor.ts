import type { z } from 'zod';
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
