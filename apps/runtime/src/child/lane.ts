import type { Token } from 'node-llama-cpp';
import type { StepRecord } from '../engine/protocol.js';
import type { NativeContext } from './binding.js';
import { OutOfMemoryError, type Job } from './job.js';
import { place } from './placement.js';
import type { TokenChooser } from './sampling.js';
import type { ThreadSpreader } from './spread.js';
import { fittingPieces, gaps, nextReader, pieceLength, readTogether, wholePiece, type Reading } from './step-plan.js';
import type { ThreadTuner } from './thread-tuner.js';

export interface LaneOptions {
  native: NativeContext;
  sequences: number;
  /** Tokens that a sequence holds. */
  contextSize: number;
  /** Tokens of a prompt that are read at once. */
  piece: number;
  /** The most tokens of one batch. */
  batchSize: number;
  targetSeconds: number;
  /** Idle rows that may be computed to close a gap between sequences. */
  widestGap: number;
  /** Tokens by which pieces of prompts that are read together may differ; shorter ones are filled up. */
  widestFill: number;
  chooser(job: Job): TokenChooser;
  /** How many threads compute a batch. */
  threads: Pick<ThreadTuner, 'choose' | 'took'>;
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
}

interface Running {
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
}

interface Slot {
  /** Tokens that are decoded, the first ones of `running.tokens` where it runs. */
  cells: Token[];
  /** The first of them that were read in whole pieces from the beginning. */
  exact: number;
  usedAt: number;
  running: Running | undefined;
}

/** So many tokens of what a slot has to decode. */
interface Part {
  slot: number;
  take: number;
}

/** What a slot has in a batch. */
interface Share {
  slot: number;
  tokens: Uint32Array;
  /** Of which tokens the next one is wanted. */
  logits: Uint32Array;
}

/** How much the newest piece counts in the mean duration of a token. */
const NEWEST = 0.3;
const ANY_TOKEN = new Uint32Array([0]);
const NO_LOGITS = new Uint32Array(0);

/**
 * One context and its loop: each step gives every sequence that is being answered its next token, all in one batch,
 * and reads pieces of prompts as far as time allows. What a finished sequence held stays until its slot is needed, so
 * that a conversation's next turn reads only what is new.
 */
export class Lane {
  private readonly slots: Slot[];
  /** Of one token of a prompt. */
  private tokenSeconds = 0;
  private clock = 0;
  private active = false;
  private threadsSet: number | undefined;
  /** The model can forget a sequence's last tokens, as recurrent ones can't; only then anything is computed in vain. */
  private forgets = true;

  constructor(private readonly options: LaneOptions) {
    this.slots = Array.from({ length: options.sequences }, () => ({
      cells: [],
      exact: 0,
      usedAt: 0,
      running: undefined,
    }));
  }

  get running(): number {
    return this.slots.filter(({ running }) => running).length;
  }

  get free(): number {
    return this.slots.length - this.running;
  }

  /** Tokens that are held, those of finished sequences included. */
  get cells(): number {
    return this.slots.reduce((sum, { cells }) => sum + cells.length, 0);
  }

  /** Where a job would go; undefined where all slots are taken. */
  place({ prompt, reproducible }: Job): { slot: number; reuse: number } | undefined {
    const views = this.slots.map((slot) => ({ ...slot, busy: slot.running !== undefined }));
    return place(views, prompt, reproducible ? this.options.piece : 1);
  }

  /** @param at what `place` said */
  start(job: Job, at: { slot: number; reuse: number }): void {
    this.slots[at.slot]!.running = {
      job,
      chooser: this.options.chooser(job),
      tokens: [...job.prompt],
      admitted: ++this.clock,
      reuse: at.reuse,
      pieces: 0,
      cancelled: false,
      retried: false,
    };
    if (!this.active) void this.loop();
  }

  /** The job takes no further step. */
  cancel(id: number): void {
    const found = this.slots.find(({ running }) => running?.job.id === id);
    if (found?.running) found.running.cancelled = true;
  }

  private async loop(): Promise<void> {
    this.active = true;
    // Whoever comes in the same moment is in the first batch.
    await Promise.resolve();
    while (this.sweep()) await this.step();
    this.active = false;
  }

  /**
   * Clears the slots of those who came since the last batch. Not as they come: a batch may be under way, which would
   * find its context changed.
   */
  private makeReady(): void {
    this.slots.forEach(({ running }, index) => {
      if (running?.reuse === undefined) return;
      const kept = this.keep(index, running.reuse);
      running.reuse = undefined;
      if (kept === 0) return;
      this.options.onReuse(kept);
      running.job.onPrefilled(kept);
    });
  }

  /** Ends what was cancelled. @returns whether anything is left to do */
  private sweep(): boolean {
    for (const slot of this.slots) if (slot.running?.cancelled) this.end(slot, 'cancelled');
    return this.slots.some(({ running }) => running);
  }

  private async step(): Promise<void> {
    const began = performance.now();
    const load = this.options.load();
    const elapsed = () => (performance.now() - began) / 1000;
    this.makeReady();
    const answering = this.pending((tokens) => tokens === 1);
    let tokens = answering.length;
    if (answering.length > 0) await this.compute(answering.map((slot) => ({ slot, take: 1 })));
    for (;;) {
      this.makeReady();
      const before = elapsed();
      const readers = this.readers(before);
      if (readers.length === 0) break;
      await this.compute(readers.toSorted((a, b) => a.slot - b.slot));
      const read = readers.reduce((sum, { take }) => sum + take, 0);
      tokens += read;
      if (read > 1) this.timed((elapsed() - before) / read);
      if (!this.sweep() || answering.length === 0) break;
      if (this.fitting(elapsed(), this.options.piece) === 0) break;
    }
    this.options.onStep({ seconds: elapsed(), rows: answering.length, tokens }, load);
  }

  private pending(which: (tokens: number) => boolean): number[] {
    return this.slots.flatMap(({ running, cells }, slot) =>
      running && which(running.tokens.length - cells.length) ? [slot] : [],
    );
  }

  /** Whose prompts are read on in one batch. */
  private readers(elapsedSeconds: number): Reading[] {
    const { piece, batchSize, widestFill } = this.options;
    const all = this.pending((tokens) => tokens > 1).map((slot): Reading => {
      const { running, cells } = this.slots[slot]!;
      const { job, pieces, admitted, tokens } = running!;
      const take = pieceLength(cells.length, tokens.length, piece);
      return { slot, pieces, admitted, take, alone: job.reproducible };
    });
    const first = nextReader(all);
    if (!first) return [];
    return readTogether(first, all, {
      most: this.fitting(elapsedSeconds, first.take),
      batchSize,
      widest: this.forgets ? widestFill : 0,
    });
  }

  /** How many pieces of so many tokens fit into what is left of a step; none where that is not known yet. */
  private fitting(elapsedSeconds: number, take: number): number {
    if (this.tokenSeconds === 0) return 0;
    return fittingPieces(elapsedSeconds, this.tokenSeconds * take, this.options.targetSeconds);
  }

  private timed(seconds: number): void {
    this.tokenSeconds = this.tokenSeconds === 0 ? seconds : this.tokenSeconds * (1 - NEWEST) + seconds * NEWEST;
  }

  /** One batch of these parts, in the order of their slots, and the next token of those that are at their end. */
  private async compute(parts: readonly Part[]): Promise<void> {
    let logits: (number | undefined)[] | undefined;
    try {
      logits = await this.decode(parts);
    } catch (error) {
      return this.recover(parts, error instanceof Error ? error : new Error(String(error)));
    }
    if (!logits) return;
    for (const { slot, take } of parts) this.advance(this.slots[slot]!, take);
    await this.sample(parts.flatMap(({ slot }, i) => (logits[i] === undefined ? [] : [{ slot, row: logits[i] }])));
  }

  /**
   * @returns for each part where its logits are; undefined for a prompt that is not read to its end. undefined at all
   * where nothing came of it, and all is read anew.
   */
  private async decode(parts: readonly Part[]): Promise<(number | undefined)[] | undefined> {
    const { native, spreader } = this.options;
    const { batch, vain } = this.layOut(parts);
    const size = batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const threads = this.options.threads.choose(size);
    if (threads !== this.threadsSet) native.setThreads((this.threadsSet = threads));
    native.initBatch(size);
    const rows = new Map(
      batch.map(({ slot, tokens, logits }) => [
        slot,
        native.addToBatch(slot, this.slots[slot]!.cells.length, tokens, logits)[0],
      ]),
    );
    const began = performance.now();
    const done = native.decodeBatch();
    if (threads > 1) spreader?.begin();
    await done.finally(() => spreader?.end());
    this.options.threads.took(size, threads, (performance.now() - began) / 1000);
    const kept = vain.filter(
      ({ slot, take }) => !native.removeTokenCellsFromSequence(slot, this.slots[slot]!.cells.length + take, -1),
    );
    if (kept.length > 0) {
      this.forgets = false;
      for (const { slot } of [...parts, ...kept]) this.keep(slot, 0);
      return undefined;
    }
    return parts.map(({ slot }) => rows.get(slot));
  }

  /** What a batch of these parts holds, by ascending slot, and after which tokens of whom it is in vain. */
  private layOut(parts: readonly Part[]): { batch: Share[]; vain: Part[] } {
    const { contextSize, widestGap } = this.options;
    const longest = Math.max(...parts.map(({ take }) => take));
    const batch: Share[] = [];
    const vain: Part[] = [];
    for (const { slot, take } of parts) {
      const { cells, running } = this.slots[slot]!;
      const end = cells.length + take;
      const filled = Math.min(longest - take, contextSize - end);
      const tokens = new Uint32Array(take + filled);
      for (let i = 0; i < take; i++) tokens[i] = running!.tokens[cells.length + i]!;
      if (filled > 0) vain.push({ slot, take });
      batch.push({ slot, tokens, logits: end === running!.tokens.length ? Uint32Array.of(take - 1) : NO_LOGITS });
    }
    if (longest > 1) return { batch, vain };
    const slots = parts.map(({ slot }) => slot);
    for (const slot of this.forgets ? gaps(slots, widestGap) : []) {
      if (this.slots[slot]!.cells.length >= contextSize) this.keep(slot, 0);
      vain.push({ slot, take: 0 });
      batch.push({ slot, tokens: ANY_TOKEN, logits: NO_LOGITS });
    }
    return { batch: batch.toSorted((a, b) => a.slot - b.slot), vain };
  }

  private advance(slot: Slot, take: number): void {
    const running = slot.running!;
    const from = slot.cells.length;
    for (let i = from; i < from + take; i++) slot.cells.push(running.tokens[i]!);
    slot.usedAt = ++this.clock;
    if (from === slot.exact && take === wholePiece(from, this.options.piece)) slot.exact += take;
    if (take > 1) {
      running.pieces++;
      running.job.onPrefilled(take);
    }
  }

  private async sample(rows: readonly { slot: number; row: number }[]): Promise<void> {
    const choose = async ({ slot, row }: { slot: number; row: number }): Promise<void> => {
      const { running } = this.slots[slot]!;
      if (!running || running.cancelled) return;
      const { job, chooser, tokens } = running;
      try {
        const said = () => tokens.slice(job.prompt.length);
        const { token, logprob } = await chooser.choose(this.options.native, row, said, job.grammar());
        if (running.cancelled) return;
        const next = job.onToken(token, logprob);
        if (next === undefined) this.end(this.slots[slot]!, undefined);
        else tokens.push(next);
      } catch (error) {
        this.end(this.slots[slot]!, error instanceof Error ? error : new Error(String(error)));
      }
    };
    // All at once: a batch lists its sequences in llama.cpp's own order, so that reading a row moves no other.
    await Promise.all(rows.map(choose));
  }

  /** After a batch that failed, usually for want of memory: everybody in it is read anew, once. */
  private recover(parts: readonly Part[], error: Error): void {
    this.options.onFailure(error);
    for (const { slot } of parts) {
      const { running } = this.slots[slot]!;
      this.keep(slot, 0);
      if (!running) continue;
      if (running.retried) this.end(this.slots[slot]!, new OutOfMemoryError(error.message));
      else running.retried = true;
    }
  }

  private end(slot: Slot, how: 'cancelled' | Error | undefined): void {
    const { running } = slot;
    if (!running) return;
    slot.running = undefined;
    running.chooser.dispose();
    if (how !== undefined) running.job.onEnd(how);
  }

  /** Forgets all but the first tokens of a slot. @returns how many are left; none where the model can't forget a part */
  private keep(index: number, count: number): number {
    const { native } = this.options;
    const slot = this.slots[index]!;
    const whole = count > 0 && native.getSequenceKvCacheMinPosition(index) === 0;
    if (whole && (count === slot.cells.length || native.removeTokenCellsFromSequence(index, count, -1))) {
      slot.cells.length = count;
      slot.exact = Math.min(slot.exact, Math.floor(count / this.options.piece) * this.options.piece);
      return count;
    }
    native.disposeSequence(index);
    slot.cells = [];
    slot.exact = 0;
    return 0;
  }
}
