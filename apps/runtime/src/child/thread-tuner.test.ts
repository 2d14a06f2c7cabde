import { describe, expect, it } from 'vitest';
import { countsOf, sharedThreads, ThreadTuner } from './thread-tuner.js';

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
    // After 12 batches, 48, 192, and then every 800; each takes two, as one is enough to see that half as fast is hopeless.
    expect(compute(tuner, 14, 8, cost).get(1)).toBe(1);
    expect(compute(tuner, 50, 8, cost).get(1)).toBe(1);
    expect(compute(tuner, 194, 8, cost).get(1)).toBe(1);
    expect(compute(tuner, 8020, 8, cost).get(1)).toBe(10);
  });

  it('is another for other sizes of batches', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 90, 1, (threads) => (threads === 1 ? 0.006 : 0.009));
    compute(tuner, 90, 64, (threads) => (threads === 1 ? 0.13 : 0.08));
    expect(tuner.choose(1)).toBe(1);
    expect(tuner.choose(100)).toBe(2);
  });

  it.each([0, 1, 11, 12, 13, 14, 15, 60, 61, 62, 63, 64, 65, 66])(
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

  it('is not changed by many slow batches on end', () => {
    let batch = 0;
    const held = (threads: number) => (0.04 / threads) * (batch++ % 60 < 8 ? 2.2 : 1);
    expect(compute(new ThreadTuner([2, 1]), 6000, 8, held).get(1)).toBeLessThan(200);
  });

  it('falls where something else wants the cores, and rises when it is gone', () => {
    const tuner = new ThreadTuner([2, 1]);
    compute(tuner, 1000, 8, (threads) => 0.04 / threads);
    expect(compute(tuner, 200, 8, (threads) => (threads === 2 ? 0.2 : 0.05)).get(1)).toBeGreaterThan(140);
    expect(compute(tuner, 300, 8, (threads) => 0.04 / threads).get(2)).toBeGreaterThan(200);
  });

  it('is one where there is one', () => {
    expect(compute(new ThreadTuner(countsOf(1)), 200, 4, () => 1)).toEqual(new Map([[1, 200]]));
  });

  it('is the share where a lane is not alone, of which nothing is learned', () => {
    const told: number[] = [];
    const state = { alone: false };
    const all = { most: 2, choose: () => 2, took: (tokens: number) => told.push(tokens) };
    const threads = sharedThreads(all, 1, () => state.alone);
    const choose = (alone: boolean) => {
      state.alone = alone;
      return threads.choose(8);
    };
    expect(choose(false)).toBe(1);
    threads.took(1, 1, 0.1);
    state.alone = true;
    threads.took(2, 1, 0.1);
    expect(choose(true)).toBe(2);
    threads.took(3, 2, 0.1);
    state.alone = false;
    threads.took(4, 2, 0.1);
    expect(told).toEqual([3]);
    expect(threads.most).toBe(2);
  });

  it.each([
    [1, [1]],
    [2, [2, 1]],
    [3, [3, 2]],
    [15, [15, 8]],
  ])('of %d: %j', (threads, counts) => expect(countsOf(threads)).toEqual(counts));
});
