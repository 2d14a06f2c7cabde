import type { Token } from 'node-llama-cpp';
import type { NativeContext } from './binding.js';
import type { Job } from './job.js';
import { place } from './placement.js';
import type { TokenChooser } from './sampling.js';
import { wholePiece } from './step-plan.js';

/** How much the newest prompt counts in the share of those that find their beginning. */
const NEWEST = 0.05;

/** A job that is under way. */
export interface Running {
  job: Job;
  chooser: TokenChooser;
  /** The prompt and what was said since. */
  tokens: Token[];
  admitted: number;
  /** Tokens of the prompt that its slot holds already; undefined once the slot is made ready. */
  reuse: number | undefined;
  /** Pieces of the prompt that were read. */
  pieces: number;
  cancelled: boolean;
  /** A step with it failed before. */
  retried: boolean;
  /** Its last choice took long for its grammar. */
  slow: boolean;
}

/** One sequence. */
export interface Slot {
  /** Tokens that are decoded, the first ones of `running.tokens` where it runs. */
  cells: Token[];
  /** The first of them that were read in whole pieces from the beginning. */
  exact: number;
  usedAt: number;
  running: Running | undefined;
}

/**
 * The sequences of one context and what each holds. What a finished one held stays until its slot is needed, so that a
 * conversation's next turn reads only what is new.
 */
export class Slots {
  readonly all: readonly Slot[];
  private clock = 0;
  /** The share of prompts that found their beginning. */
  private again = 0.5;

  /**
   * @param piece tokens of a prompt that are read at once
   * @param apart as `place` has it
   */
  constructor(
    private readonly native: NativeContext,
    count: number,
    private readonly piece: number,
    private readonly apart: number,
  ) {
    this.all = Array.from({ length: count }, () => ({ cells: [], exact: 0, usedAt: 0, running: undefined }));
  }

  /** Those of jobs that are under way. */
  get running(): number {
    return this.all.filter(({ running }) => running).length;
  }

  /** Tokens that are held, those of finished sequences included. */
  get cells(): number {
    return this.all.reduce((sum, { cells }) => sum + cells.length, 0);
  }

  /** Where a job would go; undefined where all slots are taken. */
  place({ prompt, reproducible }: Job): { slot: number; reuse: number } | undefined {
    const views = this.all.map((slot) => ({ ...slot, busy: slot.running !== undefined }));
    return place(views, prompt, { piece: reproducible ? this.piece : 1, again: this.again, apart: this.apart });
  }

  /** @param at what `place` said */
  start(job: Job, chooser: TokenChooser, at: { slot: number; reuse: number }): void {
    this.again = this.again * (1 - NEWEST) + (at.reuse > 0 ? NEWEST : 0);
    this.all[at.slot]!.running = {
      job,
      chooser,
      tokens: [...job.prompt],
      admitted: ++this.clock,
      reuse: at.reuse,
      pieces: 0,
      cancelled: false,
      retried: false,
      slow: false,
    };
  }

  /** The job takes no further step. */
  cancel(id: number): void {
    const found = this.all.find(({ running }) => running?.job.id === id);
    if (found?.running) found.running.cancelled = true;
  }

  /** The slots of jobs that have so many tokens to be decoded. */
  pending(which: (tokens: number) => boolean): number[] {
    return this.all.flatMap(({ running, cells }, slot) =>
      running && which(running.tokens.length - cells.length) ? [slot] : [],
    );
  }

  /**
   * Clears the slots of those who came since the last batch. Not as they come: a batch may be under way, which would
   * find its context changed.
   * @param onReuse tokens of a prompt were still there
   */
  makeReady(onReuse: (tokens: number) => void): void {
    this.all.forEach(({ running }, index) => {
      if (running?.reuse === undefined) return;
      const kept = this.keep(index, running.reuse);
      running.reuse = undefined;
      if (kept === 0) return;
      onReuse(kept);
      running.job.onPrefilled(kept);
    });
  }

  /**
   * So many tokens of a job were decoded.
   * @param alone it was the only one in its batch
   */
  advance(index: number, take: number, alone: boolean): void {
    const slot = this.all[index]!;
    const running = slot.running!;
    const from = slot.cells.length;
    for (let i = from; i < from + take; i++) slot.cells.push(running.tokens[i]!);
    slot.usedAt = ++this.clock;
    if (alone && from === slot.exact && take === wholePiece(from, this.piece)) slot.exact += take;
    if (take > 1) {
      running.pieces++;
      running.job.onPrefilled(take);
    }
  }

  /** Forgets all but the first tokens of a slot. @returns how many are left; none where the model can't forget a part */
  keep(index: number, count: number): number {
    const { native } = this;
    const slot = this.all[index]!;
    const whole = count > 0 && native.getSequenceKvCacheMinPosition(index) === 0;
    if (whole && (count === slot.cells.length || native.removeTokenCellsFromSequence(index, count, -1))) {
      slot.cells.length = count;
      slot.exact = Math.min(slot.exact, Math.floor(count / this.piece) * this.piece);
      return count;
    }
    native.disposeSequence(index);
    slot.cells = [];
    slot.exact = 0;
    return 0;
  }

  /** Ends what was cancelled. @returns whether anything is left to do */
  sweep(): boolean {
    for (const slot of this.all) if (slot.running?.cancelled) this.end(slot, 'cancelled');
    return this.all.some(({ running }) => running);
  }

  /** Ends a slot's job. @param how undefined where it ended by itself */
  end(slot: Slot, how: 'cancelled' | Error | undefined): void {
    const { running } = slot;
    if (!running) return;
    slot.running = undefined;
    running.chooser.dispose();
    if (how !== undefined) running.job.onEnd(how);
  }
}
