import { MAX_TEXT, quantity, type Quantity } from './quantity.js';

/*
 * Reading the object that xml2js makes of a document (`explicitArray: false`, `trim: true`). Whatever stands in it,
 * these answer and never throw.
 */

/** One step down after another; `undefined` wherever the shape is another one. */
export function at(node: unknown, ...path: string[]): unknown {
  let current = node;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || Array.isArray(current)) return undefined;
    if (!Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}

/** xml2js gives an object for one element and an array for several. */
export function list(node: unknown): unknown[] {
  if (Array.isArray(node)) return node;
  return typeof node === 'object' && node !== null ? [node] : [];
}

/** The text of an element, with or without attributes. */
export function text(node: unknown): string | null {
  if (typeof node === 'string') return node.trim();
  const inner = at(node, '_');
  return typeof inner === 'string' ? inner.trim() : null;
}

/** A name or identifier; `null` for `N/A`, `[Unknown Error]` and their like. */
export function word(node: unknown): string | null {
  const value = text(node);
  if (value === null || value === '' || /^(n\/a|none|unknown|gpu is lost|\[.*\])$/i.test(value)) return null;
  return /deprecated|unknown error/i.test(value) ? null : value.slice(0, MAX_TEXT);
}

/** The value at a place. */
export const value = (node: unknown, kind: Quantity, ...path: string[]): number | null =>
  quantity(text(at(node, ...path)), kind);

/** The first of several places that holds a value. */
export function first(node: unknown, kind: Quantity, ...paths: string[][]): number | null {
  for (const path of paths) {
    const found = value(node, kind, ...path);
    if (found !== null) return found;
  }
  return null;
}

/** A whole number, as ids and counters are. */
export function whole(node: unknown): number | null {
  const match = /^\d{1,16}$/.exec(text(node) ?? '');
  const number = match === null ? Number.NaN : Number(match[0]);
  return Number.isSafeInteger(number) ? number : null;
}

/** The sum of the places that hold a count; `null` where none does. */
export function sum(node: unknown, ...paths: string[][]): number | null {
  const known = paths.map((path) => whole(at(node, ...path))).filter((n) => n !== null);
  const total = known.reduce((a, b) => a + b, 0);
  return known.length === 0 || !Number.isSafeInteger(total) ? null : total;
}

/** `Yes` and `No`, as well as 1 and 0. */
export function yesNo(node: unknown): boolean | null {
  const said = text(node)?.toLowerCase();
  if (said === 'yes' || said === '1') return true;
  return said === 'no' || said === '0' ? false : null;
}
