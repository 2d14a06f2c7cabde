/** A value of a signal at the begin of a step, in milliseconds. */
export interface Point {
  time: number;
  value: number;
}

/** The least change that is worth telling: the greater of the two, so that noise around zero is none. */
export interface Smallest {
  /** In the signal's unit. */
  absolute: number;
  /** As a share of the value before. */
  relative: number;
}

export interface Shift {
  /** Milliseconds. */
  onset: number;
  direction: 'rose' | 'fell';
  before: number;
  after: number;
}

/** The spread of normal noise in median absolute deviations (Rousseeuw and Croux, 1993), times four. */
const BAND = 4 * 1.4826;
/** Fewer points say nothing of what was normal. */
export const LEAST_BASELINE = 3;
/** So many steps in a row, as one alone is a blip. */
const RUN = 2;

/** The middle value; NaN where there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
}

export interface Band {
  middle: number;
  width: number;
}

/** What was normal: the median, and how far from it noise goes. `undefined` where too little is known. */
export function bandOf(points: readonly Point[], baselineUntil: number, smallest: Smallest): Band | undefined {
  const values = points.filter(({ time }) => time < baselineUntil).map(({ value }) => value);
  if (values.length < LEAST_BASELINE) return undefined;
  const middle = median(values);
  const noise = BAND * median(values.map((value) => Math.abs(value - middle)));
  return { middle, width: Math.max(noise, smallest.absolute, smallest.relative * Math.abs(middle)) };
}

/**
 * Whether and when a signal left what was normal for good. It did where it lies beyond the band on one side for two steps in
 * a row, and for most of the time from there to the end; what came back by itself is no part of what fires now. Pure.
 * @param points in order of time
 */
export function findShift(points: readonly Point[], baselineUntil: number, smallest: Smallest): Shift | undefined {
  const band = bandOf(points, baselineUntil, smallest);
  if (!band) return undefined;
  const sides = points.map(({ value }) => sideOf(value, band));
  for (const [i, point] of points.entries()) {
    const side = sides[i]!;
    const isGoingOn = (points[i - 1]?.time ?? 0) >= baselineUntil && sides[i - 1] === side;
    if (point.time < baselineUntil || side === 0 || isGoingOn) continue;
    if (!sides.slice(i, i + RUN).every((other) => other === side) || i + RUN > points.length) continue;
    const rest = sides.slice(i);
    if (rest.filter((other) => other === side).length * 2 < rest.length) continue;
    return {
      onset: points[walkBack(points, i, baselineUntil, band, side)]!.time,
      direction: side > 0 ? 'rose' : 'fell',
      before: band.middle,
      after: points.slice(i).reduce((far, { value }) => (side * (value - far) > 0 ? value : far), point.value),
    };
  }
  return undefined;
}

export const sideOf = (value: number, { middle, width }: Band): -1 | 0 | 1 =>
  Math.abs(value - middle) <= width ? 0 : value > middle ? 1 : -1;

/** A slow rise leaves the band some time after it began: back to where it left the middle of it. */
function walkBack(points: readonly Point[], from: number, baselineUntil: number, band: Band, side: number): number {
  let i = from;
  const away = (at: number): number => side * (points[at]!.value - band.middle);
  while (i > 0 && points[i - 1]!.time >= baselineUntil && away(i - 1) > band.width / 3 && away(i - 1) <= away(i)) i--;
  return i;
}
