/** What may stand behind a number, and what it is worth in the unit that we keep. */
export interface Quantity {
  /** Factor by suffix; `''` for a bare number. */
  units: Readonly<Record<string, number>>;
  /** Divides afterwards, so that 57 % is 0.57 and not 0.5700000000000001. */
  divisor?: number;
  min: number;
  max: number;
}

const MAX_BYTES = Number.MAX_SAFE_INTEGER;

export const BYTES: Quantity = {
  units: { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
  min: 0,
  max: MAX_BYTES,
};
export const RATIO: Quantity = { units: { '%': 1 }, divisor: 100, min: 0, max: 1 };
export const CELSIUS: Quantity = { units: { C: 1 }, min: -100, max: 300 };
/** Degrees that are left: below 0 past the threshold. */
export const MARGIN: Quantity = { units: { C: 1 }, min: -300, max: 300 };
export const WATTS: Quantity = { units: { W: 1 }, min: 0, max: 100_000 };
export const HERTZ: Quantity = { units: { MHz: 1e6, GHz: 1e9 }, min: 0, max: 1e12 };
/** NVML documents KB/s; taken as 1000 bytes. */
export const BYTES_PER_SECOND: Quantity = { units: { 'KB/s': 1e3, 'MB/s': 1e6 }, min: 0, max: MAX_BYTES };
export const COUNT: Quantity = { units: { '': 1 }, min: 0, max: Number.MAX_SAFE_INTEGER };

/**
 * A value with its unit, such as `81559 MiB`. Everything else (`N/A`, `[Not Supported]`, `[Unknown Error]`,
 * `Requested functionality has been deprecated`, an unknown unit, a value no device can have) is `null`.
 */
export function quantity(text: string | null, { units, divisor = 1, min, max }: Quantity): number | null {
  const match = text === null ? null : /^(-?\d{1,20}(?:\.\d{1,20})?)\s*(\S*)$/.exec(text);
  if (match === null || !Object.hasOwn(units, match[2]!)) return null;
  return within((Number(match[1]) * units[match[2]!]!) / divisor, { min, max });
}

/** A value already in our unit; `null` for none and for one that no device can have. */
export function within(value: number | null, { min, max }: Pick<Quantity, 'min' | 'max'>): number | null {
  return value !== null && value >= min && value <= max ? value : null;
}

/** Names and other texts end in labels: they are kept short. */
export const MAX_TEXT = 200;

/** Text from elsewhere, fit for a log line or a sentence. */
export function oneLine(value: string, max = MAX_TEXT): string {
  const line = value.replace(/\s+/g, ' ').trim();
  return line.length > max ? `${line.slice(0, max)}…` : line;
}
