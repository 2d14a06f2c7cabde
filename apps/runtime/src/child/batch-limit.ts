import type { LimitReason } from '../engine/protocol.js';

/** Steps that a decision looks back on. */
export const WINDOW = 10;
const TOO_FAST = 0.9;
const TOO_SLOW = 1.1;
const GROWTH = 1.5;
const SHRINKAGE = 0.7;
const REACHED = 0.9;

export interface LimitBounds {
  min: number;
  /** The wish, or what memory takes if that is less. */
  max: number;
  /** What a step is to take. */
  targetSeconds: number;
}

export interface LimitStep {
  seconds: number;
  /** Requests that were being answered. */
  running: number;
}

/**
 * How many requests are answered at once from here on: over the last ten steps, below 90 % of the target it grows by
 * half, above 110 % it shrinks by three tenths. It grows only if it was reached (nearly: a place that falls free is
 * taken a step later), as steps of fewer requests say nothing about more; and it shrinks only once it is kept, as those
 * that run are never broken off.
 * @param steps those since the last change, the newest last
 * @returns the limit, and why it changed, undefined where it did not
 */
export function decideLimit(
  limit: number,
  steps: readonly LimitStep[],
  { min, max, targetSeconds }: LimitBounds,
): { limit: number; reason: LimitReason | undefined } {
  const low = Math.min(min, max);
  const held = { limit: Math.min(limit, max), reason: undefined };
  if (steps.length < WINDOW) return held;
  const recent = steps.slice(-WINDOW);
  const mean = (of: (step: LimitStep) => number) => recent.reduce((sum, step) => sum + of(step), 0) / WINDOW;
  const ratio = mean(({ seconds }) => seconds) / targetSeconds;
  const running = mean((step) => step.running);
  if (ratio < TOO_FAST && limit < max && running >= REACHED * limit)
    return { limit: Math.min(max, Math.ceil(limit * GROWTH)), reason: 'fast' };
  if (ratio > TOO_SLOW && limit > low && running <= limit)
    return { limit: Math.max(low, Math.floor(limit * SHRINKAGE)), reason: 'slow' };
  return held;
}

/** The limit after memory ran out at it: three tenths less, and never again more than that. */
export function afterOutOfMemory(limit: number): number {
  return Math.max(1, Math.floor(limit * SHRINKAGE));
}
