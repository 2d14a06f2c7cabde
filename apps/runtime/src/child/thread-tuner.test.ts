import { describe, expect, it } from 'vitest';
import { countsOf, ThreadTuner } from './thread-tuner.js';

/** Computes batches of a size, each as long as `cost` says, and counts with how many threads. */
function compute(tuner: ThreadTuner, batches: number, tokens: number, cost: (threads: number) => number) {
  const chosen = new Map<number, number>();
  for (let i = 0; i < batches; i++) {
    const threads = tuner.choose(tokens);
    chosen.set(threads, (chosen.get(threads) ?? 0) + 1);
    tuner.took(tokens, threads, cost(threads));
  }
  return chosen;
}

describe('the number of threads', () => {
  it('is the faster one, and the other is tried now and then', () => {
    const chosen = compute(new ThreadTuner([2, 1]), 2000, 8, (threads) => 0.04 / threads);
    // Half as fast is tried again after 347 batches: 0.998 to the power of 347 is a half.
    expect(chosen.get(1)).toBe(6);
    expect(chosen.get(2)).toBe(1994);
  });

  it('is another for other sizes of batches', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 90, 1, (threads) => (threads === 1 ? 0.006 : 0.009));
    compute(tuner, 90, 64, (threads) => (threads === 1 ? 0.13 : 0.08));
    expect(tuner.choose(1)).toBe(1);
    expect(tuner.choose(100)).toBe(2);
  });

  it('is not changed by one slow batch', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 20, 8, (threads) => 0.04 / threads);
    tuner.took(8, 2, 0.05);
    expect(tuner.choose(8)).toBe(2);
  });

  it('falls where something else wants the cores, and rises when it is gone', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 100, 8, (threads) => 0.04 / threads);
    expect(compute(tuner, 100, 8, (threads) => (threads === 2 ? 0.2 : 0.05)).get(1)).toBeGreaterThan(90);
    expect(compute(tuner, 1000, 8, (threads) => 0.04 / threads).get(2)).toBeGreaterThan(200);
  });

  it('is one where there is one', () => {
    expect(compute(new ThreadTuner(countsOf(1)), 200, 4, () => 1)).toEqual(new Map([[1, 200]]));
  });

  it.each([
    [1, [1]],
    [2, [2, 1]],
    [3, [3, 2]],
    [15, [15, 8]],
  ])('of %d: %j', (threads, counts) => expect(countsOf(threads)).toEqual(counts));
});
