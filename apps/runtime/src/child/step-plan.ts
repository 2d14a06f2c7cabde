import { WINDOW } from './batch-limit.js';

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

/**
 * Whose prompt is read on: the one of which least was read, so that a short one does not wait for a long one; every
 * second time the one that came first, so that a long one does not wait for ever.
 * @param turn how many times this was asked before
 */
export function nextReader(readers: readonly Reading[], turn: number): Reading | undefined {
  return readers.toSorted(turn % 2 === 0 ? byTurn : byAge)[0];
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

const byAge = (a: Reading, b: Reading): number => a.admitted - b.admitted;
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

/** So many times the target a step may take for prompts that are read together. */
const LONGEST = 1.8;

/** Seconds that belong to a step. */
export interface StepTimes {
  /** What was answered took so long, and will in the steps to come. */
  elapsed: number;
  /** One piece of a prompt. */
  piece: number;
  target: number;
  /** Of the steps before, the newest last, up to one less than {@link WINDOW}. */
  recent: readonly number[];
}

/**
 * Where only one piece fits into a step, two are read together all the same, if the steps keep to their target on
 * average with all others read one by one after them: read one by one they cost more, and so do the answers behind
 * them, which then begin and end one by one.
 * @param waiting such pieces that are to be read
 */
export function fitTogether({ elapsed, piece, target, recent }: StepTimes, waiting: number): number {
  const fitting = fittingPieces(elapsed, piece, target);
  const [one, two] = [elapsed + piece, elapsed + 2 * piece];
  if (fitting >= 2 || waiting < 2 || two > LONGEST * target) return fitting;
  let past = 0;
  const keeps = [0, ...recent.toReversed()].every((seconds, before) => {
    past += seconds;
    const after = WINDOW - 1 - before;
    const reading = Math.min(waiting - 2, after);
    return past + two + reading * one + (after - reading) * elapsed <= WINDOW * target;
  });
  return keeps ? 2 : fitting;
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

/**
 * An idle slot beside each row that must not be computed by itself and is: llama.cpp parts the context of a single row
 * among its threads (`use_split_kv_path` of ggml-cpu), which changes the last digits, and computes rows together whose
 * slots follow one another.
 * @param rows slots of a batch
 * @param lonely whose digits count
 * @returns undefined where one of them has no idle slot beside it
 */
export function companions(
  rows: readonly number[],
  lonely: (slot: number) => boolean,
  idle: (slot: number) => boolean,
): number[] | undefined {
  const taken = new Set(rows);
  const found: number[] = [];
  for (const slot of rows) {
    if (!lonely(slot) || taken.has(slot - 1) || taken.has(slot + 1)) continue;
    const beside = [slot + 1, slot - 1].find(idle);
    if (beside === undefined) return undefined;
    taken.add(beside);
    found.push(beside);
  }
  return found;
}
