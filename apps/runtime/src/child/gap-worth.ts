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
/** What was asked for is quickest; what holds a batch up only makes it slower. */
const ROUNDS = 3;
/** Nothing is lost by more. */
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
 * Tries it out, with what all others do meanwhile.
 * @param native a context whose sequences are empty, and will be
 * @returns {@link gapWorth}; a gap's own width where there are too few sequences to try it
 */
export async function measureGapWorth(
  native: NativeContext,
  sequences: number,
  spreader: Pick<ThreadSpreader, 'begin' | 'end'> | undefined,
): Promise<number> {
  const length = SIDE + GAP + SIDE;
  if (sequences < length) return GAP;
  const compute = async (slots: number, idle: (slot: number) => 'left out' | 'in vain' | false): Promise<number> => {
    const rows = Array.from({ length: slots }, (_, slot) => slot).filter((slot) => idle(slot) !== 'left out');
    native.initBatch(rows.length);
    for (const slot of rows) native.addToBatch(slot, 0, Uint32Array.of(0), Uint32Array.from(idle(slot) ? [] : [0]));
    const began = performance.now();
    const done = native.decodeBatch();
    spreader?.begin();
    await done.finally(() => spreader?.end());
    const seconds = (performance.now() - began) / 1000;
    for (const slot of rows) native.disposeSequence(slot);
    return seconds;
  };
  const inGap = (slot: number) => slot >= SIDE && slot < SIDE + GAP;
  const best: GapTimes = { together: Infinity, apart: Infinity, filled: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    best.together = Math.min(best.together, await compute(2 * SIDE, () => false));
    best.apart = Math.min(best.apart, await compute(length, (slot) => inGap(slot) && 'left out'));
    best.filled = Math.min(best.filled, await compute(length, (slot) => inGap(slot) && 'in vain'));
  }
  return gapWorth(best);
}
