import type { NativeContext } from './binding.js';
import type { ThreadSpreader } from './spread.js';

/** Seconds that batches of eight sequences took. */
export interface GapTimes {
  /** They follow one another. */
  together: number;
  /** Four idle ones lie in their middle, which are not computed, */
  apart: number;
  /** or are. */
  filled: number;
}

const SIDE = 4;
const GAP = 4;
/** The quickest of so many counts, as what holds a batch up only makes it slower. */
const ROUNDS = 3;
/** Wider gaps are rare, and a measurement is not worth more trust. */
const MOST = 16;

/**
 * How many idle rows cost as much as computing a batch in two, which llama.cpp does where sequences do not follow one
 * another. A processor that is quick at rows fills wide gaps, one that is not has more of two batches.
 */
export function gapWorth({ together, apart, filled }: GapTimes): number {
  const [second, row] = [apart - together, (filled - together) / GAP];
  if (second <= 0) return 0;
  return row <= 0 ? MOST : Math.min(MOST, Math.floor(second / row));
}

/**
 * Measures it with batches of a sequence's first token.
 * @param native a context whose sequences are empty, and will be
 * @returns {@link gapWorth}; the width of a small gap where there are too few sequences to measure it
 */
export async function measureGapWorth(
  native: NativeContext,
  sequences: number,
  spreader: Pick<ThreadSpreader, 'begin' | 'end'> | undefined,
): Promise<number> {
  const all = Array.from({ length: SIDE + GAP + SIDE }, (_, slot) => slot);
  if (sequences < all.length) return GAP;
  const together = all.slice(0, 2 * SIDE);
  const apart = all.filter((slot) => slot < SIDE || slot >= SIDE + GAP);
  /** @param answered those of them that are not computed in vain */
  const seconds = async (slots: readonly number[], answered: readonly number[]): Promise<number> => {
    native.initBatch(slots.length);
    for (const slot of slots)
      native.addToBatch(slot, 0, Uint32Array.of(0), Uint32Array.from(answered.includes(slot) ? [0] : []));
    const began = performance.now();
    const done = native.decodeBatch();
    spreader?.begin();
    await done.finally(() => spreader?.end());
    const took = (performance.now() - began) / 1000;
    for (const slot of slots) native.disposeSequence(slot);
    return took;
  };
  const best: GapTimes = { together: Infinity, apart: Infinity, filled: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    best.together = Math.min(best.together, await seconds(together, together));
    best.apart = Math.min(best.apart, await seconds(apart, apart));
    best.filled = Math.min(best.filled, await seconds(all, apart));
  }
  return gapWorth(best);
}
