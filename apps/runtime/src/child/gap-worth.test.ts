import { describe, expect, it } from 'vitest';
import type { NativeContext } from './binding.js';
import { gapWorth, measureGapWorth } from './gap-worth.js';

describe('the widest gap that is filled', () => {
  it.each([
    ['a processor that is slow at rows', { together: 0.025, apart: 0.034, filled: 0.033 }, 4],
    ['a quick one', { together: 0.018, apart: 0.034, filled: 0.023 }, 12],
    ['one that computes rows for nothing', { together: 0.018, apart: 0.034, filled: 0.017 }, 16],
    ['one that computes two batches as fast', { together: 0.018, apart: 0.018, filled: 0.023 }, 0],
  ])('of %s', (_, times, rows) => expect(gapWorth(times)).toBe(rows));

  /** Computes a batch in as many milliseconds as it is said to, and knows what is left in it. */
  function context(milliseconds: (slots: readonly number[], answers: number) => number) {
    const held = new Set<number>();
    const batches: number[][] = [];
    let answers = 0;
    const native = {
      initBatch: () => (batches.push([]), (answers = 0)),
      addToBatch: (slot: number, _: number, __: Uint32Array, logits: Uint32Array) => {
        expect(held.has(slot)).toBe(false);
        held.add(slot);
        answers += logits.length;
        batches.at(-1)!.push(slot);
        return logits;
      },
      decodeBatch: async () => {
        const until = performance.now() + milliseconds(batches.at(-1)!, answers);
        while (performance.now() < until) await new Promise(setImmediate);
      },
      disposeSequence: (slot: number) => held.delete(slot),
    } as unknown as NativeContext;
    return { native, batches, held };
  }

  it('is what was measured, with nothing left behind', async () => {
    const { native, batches, held } = context((slots, answers) => {
      const runs = slots.filter((slot) => !slots.includes(slot - 1)).length;
      return runs * 20 + answers + (slots.length - answers) * 5;
    });
    let spread = 0;
    const spreader = { begin: () => spread++, end: () => undefined };
    const worth = await measureGapWorth(native, 12, spreader);
    // A second run costs 20 ms and an idle row 5; a busy machine lengthens either.
    expect(worth).toBeGreaterThanOrEqual(2);
    expect(worth).toBeLessThanOrEqual(7);
    expect(spread).toBe(batches.length);
    expect(held.size).toBe(0);
  });

  it('is that of a small gap where there are too few sequences to measure it', async () => {
    const { native, batches } = context(() => 0);
    expect(await measureGapWorth(native, 11, undefined)).toBe(4);
    expect(batches).toEqual([]);
  });
});
