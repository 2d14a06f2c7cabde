/** A sequence and what it holds. */
export interface SlotView {
  /** Tokens whose keys and values are there. */
  cells: readonly number[];
  /** The first of them that were read in whole pieces from the beginning, so that reading anew would give the same. */
  exact: number;
  busy: boolean;
  /** Rises with each use. */
  usedAt: number;
}

/** What decides where a prompt goes. */
export interface PlaceOptions {
  /**
   * Where the result must not depend on what is kept: only whole pieces of this size are, that were read as such; 1
   * where it may.
   */
  piece: number;
  /** The share of prompts that find their beginning. */
  again: number;
  /** Rows that cost as much as a batch of its own, which sequences have that lie farther apart. */
  apart: number;
}

/** Less than this is as soon read again as kept. */
const WORTH_KEEPING = 16;
/** A row more in each step counts as much as so many tokens of a prompt: after so many steps all lie otherwise. */
const LASTS = 32;

/** How many tokens two texts begin with in common. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}

/**
 * Chooses the slot for a prompt: the one that holds most of its beginning, if that is half of the prompt or half of
 * what would be lost. Else the one that costs least: sequences that lie side by side are computed together, and what
 * one holds may be asked for again, the sooner the later it was used.
 * @returns undefined where none is free; `reuse` counts tokens that need not be read again, at least one always must
 */
export function place(
  slots: readonly SlotView[],
  prompt: readonly number[],
  { piece, ...rest }: PlaceOptions,
): { slot: number; reuse: number } | undefined {
  let best: { slot: number; reuse: number } | undefined;
  slots.forEach(({ cells, exact, busy }, slot) => {
    if (busy) return;
    const common = Math.min(commonPrefix(cells, prompt), prompt.length - 1);
    const reuse = piece === 1 ? common : Math.floor(Math.min(common, exact) / piece) * piece;
    const worth = reuse >= WORTH_KEEPING && (common * 2 >= prompt.length || common * 2 >= cells.length);
    if (worth && reuse > (best?.reuse ?? 0)) best = { slot, reuse };
  });
  return best ?? freeSlot(slots, rest);
}

function freeSlot(
  slots: readonly SlotView[],
  { again, apart }: Omit<PlaceOptions, 'piece'>,
): { slot: number; reuse: number } | undefined {
  const indexes = [...slots.keys()];
  const lastUse = (slot: number) => (slots[slot]!.cells.length === 0 ? 0 : slots[slot]!.usedAt);
  const free = indexes.filter((slot) => !slots[slot]!.busy).toSorted((a, b) => lastUse(a) - lastUse(b));
  const busy = indexes.filter((slot) => slots[slot]!.busy);
  const costs = free.map((slot, age) => {
    const likely = again * (age / Math.max(1, free.length - 1));
    const together = [...busy, slot].toSorted((a, b) => a - b);
    const lost = likely * slots[slot]!.cells.length;
    return { slot, cost: rowsInVain(together, apart) * LASTS + lost };
  });
  const [cheapest] = costs.toSorted((a, b) => a.cost - b.cost);
  return cheapest && { slot: cheapest.slot, reuse: 0 };
}

/** What gaps between these slots (ascending) cost a step, in rows. */
function rowsInVain(slots: readonly number[], apart: number): number {
  return slots.reduce((sum, slot, i) => sum + (i === 0 ? 0 : Math.min(slot - slots[i - 1]! - 1, apart)), 0);
}
