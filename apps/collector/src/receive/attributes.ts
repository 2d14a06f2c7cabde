import type { Attributes, AttributeValue } from './span.js';

/** Longest text that becomes a label or a column. */
const MAX_TEXT = 200;
const MAX_INT = 2 ** 31 - 1;

/** The first attribute that is there, of several names for one thing. */
export function first(attributes: Attributes, names: readonly string[]): AttributeValue | undefined {
  for (const name of names) {
    const value = attributes.get(name);
    if (value !== undefined && value !== null && value !== '') return value;
  }
  return undefined;
}

/** A short text for a label or a column; `null` where there is none. Numbers are taken as text. */
export function shortText(value: AttributeValue | undefined): string | null {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return null;
  const text = value.trim();
  return text === '' ? null : text.slice(0, MAX_TEXT).toWellFormed();
}

/** A number from a number or its text; `null` for everything else. */
export function numeric(value: AttributeValue | undefined): number | null {
  const n =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isFinite(n) ? n : null;
}

/** A count; `null` where it is none or more than a column holds. */
export function count(value: AttributeValue | undefined): number | null {
  const n = numeric(value);
  return n !== null && Number.isInteger(n) && n >= 0 && n <= MAX_INT ? n : null;
}

/** Nothing that is measured here lasts longer, in seconds; a greater figure is a mistake and would spoil every mean. */
const MAX_SECONDS = 1e7;

/** Seconds from 0 to some hundred days. */
export function seconds(value: AttributeValue | undefined): number | null {
  const n = numeric(value);
  return n !== null && n >= 0 && n <= MAX_SECONDS ? n : null;
}

export function bool(value: AttributeValue | undefined): boolean | null {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'True') return true;
  return value === 'false' || value === 'False' ? false : null;
}

/** The first text of a list, of a list in JSON, or the text itself. */
export function firstText(value: AttributeValue | undefined): string | null {
  if (Array.isArray(value)) return shortText(value[0]);
  if (typeof value !== 'string' || !value.startsWith('[')) return shortText(value);
  try {
    const list = JSON.parse(value) as AttributeValue;
    return Array.isArray(list) ? shortText(list[0]) : null;
  } catch {
    return null;
  }
}
