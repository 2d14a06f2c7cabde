import type { StepRecord } from '../engine/protocol.js';
import { WINDOW } from './batch-limit.js';
import type { NativeContext } from './binding.js';
import { GrammarError, OutOfMemoryError, type Job } from './job.js';
import type { TokenChooser } from './sampling.js';
import { Slots } from './slots.js';
import type { ThreadSpreader } from './spread.js';
import {
  companions,
  fittingPieces,
  fitTogether,
  gaps,
  nextReader,
  pieceLength,
  readTogether,
  type Reading,
} from './step-plan.js';
import type { LaneThreads } from './thread-tuner.js';

export interface LaneOptions {
  native: NativeContext;
  sequences: number;
  /** Tokens that a sequence holds. */
  contextSize: number;
  /** Tokens of a prompt that are read at once. */
  piece: number;
  /** The most tokens of prompts that are read in one batch. */
  batchSize: number;
  /** Prompts of several are read in one batch. */
  readsTogether: boolean;
  targetSeconds: number;
  /** Idle rows that may be computed to close a gap between sequences. */
  widestGap: number;
  /**
   * Tokens from which on several threads compute a row by itself otherwise than beside another, to the last digits;
   * Infinity where they do not.
   */
  lonelyFrom: number;
  /** The last digits of a row depend on how many are computed with it: those of a seed are computed by themselves. */
  rowsApart: boolean;
  chooser(job: Job): TokenChooser;
  /** How many threads compute a batch. */
  threads: LaneThreads;
  /** Keeps the threads of a batch apart. */
  spreader?: Pick<ThreadSpreader, 'begin' | 'end'> | undefined;
  /** Requests that are being answered, by all lanes. */
  load(): number;
  /** A step was taken; `load` as it began. */
  onStep(step: StepRecord, load: number): void;
  /** Tokens of a prompt were still there. */
  onReuse(tokens: number): void;
  /** A step failed. */
  onFailure(error: Error): void;
  /** A batch is under way, or nothing is left to do: the moment for what would hold up the next one. */
  onPause(): void;
}

/** With fewer threads than these one alone is quicker than all of them with a second row. */
const COMPANY_PAYS = 4;
/** Seconds that a choice by a grammar may take before its next is timed by itself, and before that is the last one. */
const SLOW_GRAMMAR = 0.01;
const HOPELESS_GRAMMAR = 0.5;
/** How much the newest piece counts in the mean duration of a token. */
const NEWEST = 0.3;
const ANY_TOKEN = new Uint32Array([0]);
const NO_LOGITS = new Uint32Array(0);

/**
 * One context and its loop: each step gives every sequence that is being answered its next token, all in one batch,
 * and reads pieces of prompts as far as time allows.
 */
export class Lane {
  private readonly slots: Slots;
  /** Of one token of a prompt. */
  private tokenSeconds = 0;
  private active = false;
  private threadsSet: number | undefined;
  /** Idle rows can be forgotten again; a recurrent model keeps them. */
  private forgets = true;
  /** Seconds that the last steps took. */
  private recent: number[] = [];
  /** Batches of prompts that were read. */
  private reads = 0;

  constructor(private readonly options: LaneOptions) {
    // Where no gap is worth closing, a batch of its own still costs something.
    this.slots = new Slots(options.native, options.sequences, options.piece, Math.max(1, options.widestGap));
  }

  get running(): number {
    return this.slots.running;
  }

  get free(): number {
    return this.options.sequences - this.running;
  }

  /** Tokens that are held, those of finished sequences included. */
  get cells(): number {
    return this.slots.cells;
  }

  /** Where a job would go; undefined where all slots are taken. */
  place(job: Job): { slot: number; reuse: number } | undefined {
    return this.slots.place(job);
  }

  /** @param at what `place` said */
  start(job: Job, at: { slot: number; reuse: number }): void {
    this.slots.start(job, this.options.chooser(job), at);
    if (!this.active) void this.loop();
  }

  /** The job takes no further step. */
  cancel(id: number): void {
    this.slots.cancel(id);
  }

  private async loop(): Promise<void> {
    this.active = true;
    // Whoever comes in the same moment is in the first batch.
    await Promise.resolve();
    while (this.slots.sweep()) await this.step();
    this.active = false;
    this.recent = [];
    this.options.onPause();
  }

  private async step(): Promise<void> {
    const began = performance.now();
    const load = this.options.load();
    const elapsed = () => (performance.now() - began) / 1000;
    this.slots.makeReady(this.options.onReuse);
    const answering = this.slots.pending((tokens) => tokens === 1);
    let tokens = answering.length;
    let worked = true;
    for (const rows of this.batches(answering)) worked = worked && (await this.compute(rows, 1));
    while (worked) {
      this.slots.makeReady(this.options.onReuse);
      const before = elapsed();
      const readers = this.readers(before);
      if (readers.length === 0) break;
      const { take } = readers[0]!;
      this.reads++;
      worked = await this.compute(
        readers.map(({ slot }) => slot).toSorted((a, b) => a - b),
        take,
      );
      if (!worked) break;
      tokens += readers.length * take;
      if (take > 1) this.timed((elapsed() - before) / (readers.length * take));
      if (!this.slots.sweep() || answering.length === 0) break;
      if (this.fitting(elapsed(), this.options.piece) === 0) break;
    }
    // One that failed took no time that would say anything.
    if (!worked) return;
    const seconds = elapsed();
    this.recent = [...this.recent, seconds].slice(1 - WINDOW);
    this.options.onStep({ seconds, rows: answering.length, tokens }, load);
  }

  /** Which rows are computed together. */
  private batches(answering: readonly number[]): (readonly number[])[] {
    const apart = answering.filter((slot) => this.isApart(slot));
    const together = answering.filter((slot) => !apart.includes(slot));
    return [...(together.length > 0 ? [together] : []), ...apart.map((slot) => [slot])];
  }

  private isApart(slot: number): boolean {
    return this.options.rowsApart && this.slots.all[slot]!.running?.job.seeded === true;
  }

  /** Whose prompts are read on in one batch. */
  private readers(elapsedSeconds: number): Reading[] {
    const { piece, batchSize, readsTogether, targetSeconds } = this.options;
    let left = 0;
    const all = this.slots
      .pending((tokens) => tokens > 1)
      .map((slot): Reading => {
        const { running, cells } = this.slots.all[slot]!;
        const { job, pieces, admitted, tokens } = running!;
        left += tokens.length - cells.length;
        const take = pieceLength(cells.length, tokens.length, piece);
        return { slot, pieces, admitted, take, alone: job.reproducible };
      });
    const first = nextReader(all, this.reads);
    if (!first) return [];
    if (!readsTogether || this.tokenSeconds === 0) return [first];
    const times = { elapsed: elapsedSeconds, piece: this.tokenSeconds * first.take, target: targetSeconds };
    const fitting = fitTogether({ ...times, recent: this.recent }, Math.ceil(left / first.take));
    return readTogether(first, all, Math.min(fitting, Math.floor(batchSize / first.take)));
  }

  /** How many pieces of so many tokens fit into what is left of a step; none where that is not known yet. */
  private fitting(elapsedSeconds: number, take: number): number {
    if (this.tokenSeconds === 0) return 0;
    return fittingPieces(elapsedSeconds, this.tokenSeconds * take, this.options.targetSeconds);
  }

  private timed(seconds: number): void {
    this.tokenSeconds = this.tokenSeconds === 0 ? seconds : this.tokenSeconds * (1 - NEWEST) + seconds * NEWEST;
  }

  /**
   * One batch of so many tokens of each of these slots, and the next token of those that are at their end.
   * @returns whether it could be computed
   */
  private async compute(slots: readonly number[], take: number): Promise<boolean> {
    let logits: (number | undefined)[];
    try {
      logits = await this.decode(slots, take);
    } catch (error) {
      this.recover(slots, error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    for (const slot of slots) this.slots.advance(slot, take, slots.length === 1);
    await this.sample(slots.flatMap((slot, i) => (logits[i] === undefined ? [] : [{ slot, row: logits[i] }])));
    return true;
  }

  /** @returns for each slot where its logits are; undefined for a prompt that is not read to its end */
  private async decode(slots: readonly number[], take: number): Promise<(number | undefined)[]> {
    const { native, contextSize, widestGap } = this.options;
    const chosen = this.options.threads.choose(slots.length * take);
    const filled = take === 1 && this.forgets ? gaps(slots, widestGap) : [];
    const company = take === 1 ? this.company([...slots, ...filled], chosen) : [];
    // One that is always by itself needs nothing but always the same threads.
    const alone = this.slots.all.length === 1 || this.isApart(slots[0]!) ? this.options.threads.most : 1;
    const threads = company === undefined ? alone : chosen;
    if (threads !== this.threadsSet) native.setThreads((this.threadsSet = threads));
    const idle = [...filled, ...(company ?? [])];
    for (const slot of idle) if (this.slots.all[slot]!.cells.length >= contextSize) this.slots.keep(slot, 0);
    native.initBatch(slots.length * take + idle.length);
    const rows = [...slots, ...idle].toSorted((a, b) => a - b);
    const logits = new Map<number, number | undefined>();
    for (const slot of rows) {
      const { cells, running } = this.slots.all[slot]!;
      const from = cells.length;
      if (!running) native.addToBatch(slot, from, ANY_TOKEN, NO_LOGITS);
      else {
        const whole = from + take === running.tokens.length;
        const tokens = Uint32Array.from(running.tokens.slice(from, from + take));
        logits.set(slot, native.addToBatch(slot, from, tokens, whole ? Uint32Array.of(take - 1) : NO_LOGITS)[0]);
      }
    }
    const began = performance.now();
    const done = native.decodeBatch();
    const spreader = threads > 1 ? this.options.spreader : undefined;
    spreader?.begin();
    this.options.onPause();
    await done.finally(() => spreader?.end());
    if (threads === chosen) this.options.threads.took(slots.length * take, threads, (performance.now() - began) / 1000);
    for (const slot of idle) {
      if (native.removeTokenCellsFromSequence(slot, this.slots.all[slot]!.cells.length, -1)) continue;
      this.forgets = false;
      this.slots.keep(slot, 0);
    }
    return slots.map((slot) => logits.get(slot));
  }

  /**
   * Idle slots that are computed beside rows whose digits would else depend on who else is there.
   * @returns undefined where there are none, so that always as many threads must do it
   */
  private company(rows: readonly number[], threads: number): number[] | undefined {
    if (this.isApart(rows[0]!)) return undefined;
    if (threads === 1) return [];
    const lonely = (slot: number) => {
      const { running, cells } = this.slots.all[slot]!;
      return running?.job.reproducible === true && cells.length >= this.options.lonelyFrom;
    };
    const idle = (slot: number) => this.slots.all[slot] !== undefined && !this.slots.all[slot]!.running;
    const found = companions(rows, lonely, idle);
    if (found?.length === 0) return found;
    return this.forgets && threads >= COMPANY_PAYS ? found : undefined;
  }

  private async sample(rows: readonly { slot: number; row: number }[]): Promise<void> {
    const slow = rows.filter(({ slot }) => this.slots.all[slot]!.running?.slow);
    // All at once: a batch lists its sequences in llama.cpp's own order, so that reading a row moves no other.
    await Promise.all(rows.filter((row) => !slow.includes(row)).map((row) => this.choose(row)));
    for (const row of slow) await this.choose(row, true);
  }

  /** @param timed nothing else is chosen meanwhile, so that what is slow is this one */
  private async choose({ slot, row }: { slot: number; row: number }, timed = false): Promise<void> {
    const { running } = this.slots.all[slot]!;
    if (!running || running.cancelled) return;
    const { job, chooser, tokens } = running;
    try {
      const began = performance.now();
      const said = () => tokens.slice(job.prompt.length);
      const grammar = job.grammar();
      const { token, logprob } = await chooser.choose(this.options.native, row, said, grammar);
      if (running.cancelled) return;
      const seconds = (performance.now() - began) / 1000;
      running.slow = grammar !== undefined && seconds > SLOW_GRAMMAR;
      if (timed && seconds > HOPELESS_GRAMMAR) throw new GrammarError('following the grammar takes too long');
      const next = job.onToken(token, logprob);
      if (next === undefined) this.slots.end(this.slots.all[slot]!, undefined);
      else tokens.push(next);
    } catch (error) {
      this.slots.end(this.slots.all[slot]!, error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** After a batch that failed, usually for want of memory: everybody in it is read anew, once. */
  private recover(slots: readonly number[], error: Error): void {
    this.options.onFailure(error);
    for (const slot of slots) {
      const { running } = this.slots.all[slot]!;
      this.slots.keep(slot, 0);
      if (!running) continue;
      if (running.retried) this.slots.end(this.slots.all[slot]!, new OutOfMemoryError(error.message));
      else running.retried = true;
    }
  }
}
