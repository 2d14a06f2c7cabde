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
  it('is the faster one, and the other is tried now and then, ever more seldom', () => {
    const tuner = new ThreadTuner([2, 1]);
    const cost = (threads: number) => 0.04 / threads;
    expect(compute(tuner, 2, 8, cost).get(1)).toBe(1);
    // Next after 200 batches, and then every 800; each takes two, as one is enough to see that half as fast is hopeless.
    expect(compute(tuner, 202, 8, cost).get(1)).toBe(1);
    expect(compute(tuner, 8020, 8, cost).get(1)).toBe(10);
  });

  it('is another for other sizes of batches', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 90, 1, (threads) => (threads === 1 ? 0.006 : 0.009));
    compute(tuner, 90, 64, (threads) => (threads === 1 ? 0.13 : 0.08));
    expect(tuner.choose(1)).toBe(1);
    expect(tuner.choose(100)).toBe(2);
  });

  it.each([0, 1, 2, 3, 4, 5, 103, 104, 105, 106, 107, 108])(
    'is not changed by a slow batch, the one of number %d',
    (slow) => {
      const tuner = new ThreadTuner([2, 1]);
      let batch = 0;
      const chosen = compute(tuner, 400, 8, (threads) => (0.04 / threads) * (batch++ === slow ? 5 : 1));
      expect(chosen.get(1)).toBeLessThanOrEqual(8);
    },
  );

  it('is not changed where a tenth of all batches are slow', () => {
    let batch = 0;
    const noisy = (threads: number) => (0.04 / threads) * (batch++ % 10 === 3 ? 3 : 1);
    expect(compute(new ThreadTuner([2, 1]), 3000, 8, noisy).get(1)).toBeLessThan(60);
  });

  it('falls where something else wants the cores, and rises when it is gone', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 1000, 8, (threads) => 0.04 / threads);
    expect(compute(tuner, 200, 8, (threads) => (threads === 2 ? 0.2 : 0.05)).get(1)).toBeGreaterThan(140);
    expect(compute(tuner, 300, 8, (threads) => 0.04 / threads).get(2)).toBeGreaterThan(240);
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
