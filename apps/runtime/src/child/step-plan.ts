/** A sequence whose prompt is not read to its end. */
export interface Reading {
  slot: number;
  /** Pieces that were read so far. */
  pieces: number;
  /** Rises with each admission. */
  admitted: number;
  /** Tokens of its next piece. */
  take: number;
  /** Its pieces are read by themselves, as its text must not depend on who else is there. */
  alone: boolean;
}

/** Whose prompt is read on: the one of which least was read, so that a short one does not wait for a long one. */
export function nextReader(readers: readonly Reading[]): Reading | undefined {
  return readers.toSorted(byTurn)[0];
}

/**
 * Who is read in one batch with `first`, which costs less than one after the other: whose next piece is as long, as
 * of unequal pieces the rests would be read by themselves.
 * @param most with `first`
 */
export function readTogether(first: Reading, readers: readonly Reading[], most: number): Reading[] {
  if (first.alone) return [first];
  const others = readers.filter(({ slot, take, alone }) => slot !== first.slot && take === first.take && !alone);
  return [first, ...others.toSorted(byTurn).slice(0, Math.max(0, most - 1))];
}

const byTurn = (a: Reading, b: Reading): number => a.pieces - b.pieces || a.admitted - b.admitted;

/** From here on a prompt is read in halves of pieces, as each token looks back on all before it. */
const LONG_AGO = 512;

/** A rest of up to this share of a piece is read with the last one: alone it would cost nearly as much. */
const SMALL_REST = 0.25;

/** Tokens of a whole piece that begins at `from`. */
export const wholePiece = (from: number, size: number): number => (from < LONG_AGO ? size : size / 2);

/**
 * How many tokens the next piece of a prompt has. Pieces end at multiples of `size` (of its half, far into a prompt),
 * whoever else is there: which tokens are computed together changes the last digits of the result, and so would change
 * the text of a seed.
 * @param from tokens of the prompt that are read
 * @param size even
 */
export function pieceLength(from: number, length: number, size: number): number {
  const whole = wholePiece(from, size);
  const end = (Math.floor(from / whole) + 1) * whole;
  return (length <= end + whole * SMALL_REST ? length : end) - from;
}

/** How many pieces of prompts still fit into a step, in which others wait for their next token. */
export function fittingPieces(elapsedSeconds: number, pieceSeconds: number, targetSeconds: number): number {
  return Math.max(0, Math.floor((targetSeconds - elapsedSeconds) / pieceSeconds));
}

/**
 * Idle slots that lie between those of a batch (ascending), where no more than `widest` lie side by side. llama.cpp
 * computes sequences together only if their numbers follow one another, so a GPU is quicker with a row too much than
 * with a gap.
 */
export function gaps(slots: readonly number[], widest: number): number[] {
  const idle: number[] = [];
  slots.forEach((slot, i) => {
    const next = slots[i + 1] ?? slot;
    if (next - slot - 1 <= widest) for (let between = slot + 1; between < next; between++) idle.push(between);
  });
  return idle;
}
