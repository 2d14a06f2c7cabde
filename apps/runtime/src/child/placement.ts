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

/** Less than this is as soon read again as kept. */
const WORTH_KEEPING = 16;
/** A text of so many tokens is sooner read again, once, than somebody's answer is computed apart, token after token. */
const READ_AGAIN = 1024;

/** How many tokens two texts begin with in common. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}

/**
 * Chooses the slot for a prompt: the one that holds most of its beginning, if that is half of the prompt or half of
 * what would be lost. Else the one with most busy ones next to it, as sequences that lie side by side are computed
 * together; of equals the one that was longest unused (empty ones first). Long texts are given up only in that half of the
 * free ones that were longest unused.
 * @param piece where the result must not depend on what is kept: only whole pieces of this size are, that were read as
 * such; 1 where it may
 * @returns undefined where none is free; `reuse` counts tokens that need not be read again, at least one always must
 */
export function place(
  slots: readonly SlotView[],
  prompt: readonly number[],
  piece = 1,
): { slot: number; reuse: number } | undefined {
  let best: { slot: number; reuse: number } | undefined;
  slots.forEach(({ cells, exact, busy }, slot) => {
    if (busy) return;
    const common = Math.min(commonPrefix(cells, prompt), prompt.length - 1);
    const reuse = piece === 1 ? common : Math.floor(Math.min(common, exact) / piece) * piece;
    const worth = reuse >= WORTH_KEEPING && (common * 2 >= prompt.length || common * 2 >= cells.length);
    if (worth && reuse > (best?.reuse ?? 0)) best = { slot, reuse };
  });
  return best ?? freeSlot(slots);
}

function freeSlot(slots: readonly SlotView[]): { slot: number; reuse: number } | undefined {
  const indexes = [...slots.keys()];
  const lastUse = (slot: number) => (slots[slot]!.cells.length === 0 ? 0 : slots[slot]!.usedAt);
  const free = indexes.filter((slot) => !slots[slot]!.busy).toSorted((a, b) => lastUse(a) - lastUse(b));
  const busy = indexes.filter((slot) => slots[slot]!.busy);
  const isBusy = (slot: number) => slots[slot]?.busy === true;
  const neighbours = (slot: number) => Number(isBusy(slot - 1)) + Number(isBusy(slot + 1));
  const distance = (slot: number) => Math.min(slots.length, ...busy.map((other) => Math.abs(other - slot)));
  const [nearest] = free
    .filter((slot, age) => age < free.length / 2 || slots[slot]!.cells.length <= READ_AGAIN)
    .toSorted((a, b) => neighbours(b) - neighbours(a) || distance(a) - distance(b));
  return nearest === undefined ? undefined : { slot: nearest, reuse: 0 };
}
