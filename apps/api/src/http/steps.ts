import { badParameter } from './errors.js';

/** Points of one series at the most. */
export const MAX_POINTS = 2_000;

/** Steps that read well on an axis, in seconds. From a minute on they are whole minutes, which roll-ups answer. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
const WANTED_POINTS = 240;
/** Beyond this many seconds, rows would be too many to read: minutes then. */
const ROWS_SECONDS = 900;

/** A step that suits a range of so many seconds. */
export function suitableStep(rangeSeconds: number): number {
  const least = rangeSeconds > ROWS_SECONDS ? 60 : 1;
  const fits = (step: number) => step >= least && rangeSeconds / step <= WANTED_POINTS;
  return STEPS.find(fits) ?? Math.ceil(rangeSeconds / WANTED_POINTS / 86_400) * 86_400;
}

/**
 * The range that is read: from the begin of a step.
 * @throws ApiError (400) where there is none, or where it has too many points
 */
export function alignedRange(from: Date, to: Date, given?: number): { from: Date; to: Date; step: number } {
  if (from >= to) throw badParameter('"from" must lie before "to".');
  const rangeSeconds = (to.getTime() - from.getTime()) / 1000;
  const step = given ?? suitableStep(rangeSeconds);
  if (!Number.isInteger(step) || (step > 60 && step % 60 !== 0))
    throw badParameter('"step" must be whole seconds, and whole minutes from one minute on.');
  const begin = Math.floor(from.getTime() / 1000 / step) * step * 1000;
  const points = Math.ceil((to.getTime() - begin) / 1000 / step);
  if (points > MAX_POINTS)
    throw badParameter(
      `That is ${points} points a series, and ${MAX_POINTS} is the most: take a longer "step" or a shorter range.`,
    );
  return { from: new Date(begin), to, step };
}
