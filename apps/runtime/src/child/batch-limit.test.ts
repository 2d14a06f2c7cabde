import { describe, expect, it } from 'vitest';
import { afterOutOfMemory, decideLimit, WINDOW } from './batch-limit.js';

const BOUNDS = { min: 8, max: 128, targetSeconds: 0.2 };
const steps = (seconds: number, running: number, count = WINDOW) =>
  Array.from({ length: count }, () => ({ seconds, running }));

describe('the batch limit', () => {
  it.each<[string, number, ReturnType<typeof steps>, number, string | undefined]>([
    ['grows by half where steps are fast', 8, steps(0.1, 8), 12, 'fast'],
    ['rounds up as it grows', 9, steps(0.1, 9), 14, 'fast'],
    ['stays below nine steps', 8, steps(0.1, 8, 9), 8, undefined],
    ['stays at 90 % of the target', 8, steps(0.181, 8), 8, undefined],
    ['stays at 110 % of the target', 16, steps(0.219, 16), 16, undefined],
    ['shrinks by three tenths where they are slow', 40, steps(0.3, 40), 28, 'slow'],
    ['rounds down as it shrinks', 9, steps(0.3, 9), 8, 'slow'],
    ['never falls below BATCH_MIN', 8, steps(9, 8), 8, undefined],
    ['never rises above BATCH_MAX', 100, steps(0.01, 100), 128, 'fast'],
    ['stays at BATCH_MAX', 128, steps(0.01, 128), 128, undefined],
    ['does not grow for want of requests', 8, steps(0.01, 5), 8, undefined],
    ['grows though places fall free between steps', 8, [...steps(0.1, 8, 6), ...steps(0.1, 7, 4)], 12, 'fast'],
    ['does not shrink again while those above it still run', 28, steps(0.3, 40), 28, undefined],
    ['looks at the last ten steps only', 8, [...steps(9, 8, 50), ...steps(0.1, 8)], 12, 'fast'],
    ['looks at their mean', 16, [...steps(0.05, 16, 5), ...steps(0.35, 16, 5)], 16, undefined],
  ])('%s', (_, limit, recent, expected, reason) => {
    expect(decideLimit(limit, recent, BOUNDS)).toEqual({ limit: expected, reason });
  });

  it('stays within what memory takes, even below BATCH_MIN', () => {
    expect(decideLimit(4, steps(0.01, 4), { ...BOUNDS, max: 4 })).toEqual({ limit: 4, reason: undefined });
    expect(decideLimit(6, [], { ...BOUNDS, max: 4 })).toEqual({ limit: 4, reason: undefined });
    expect(decideLimit(4, steps(9, 4), { ...BOUNDS, max: 4 })).toEqual({ limit: 4, reason: undefined });
  });

  it('falls by three tenths when memory ran out, down to one', () => {
    expect([128, 8, 2, 1].map(afterOutOfMemory)).toEqual([89, 5, 1, 1]);
  });
});
