import type { LimitReason, SchedulerStats, StepRecord } from '../engine/protocol.js';
import { afterOutOfMemory, decideLimit, WINDOW, type LimitBounds, type LimitStep } from './batch-limit.js';
import type { Job } from './job.js';
import type { Lane, LaneOptions } from './lane.js';

export interface SchedulerOptions {
  lanes: (hooks: Pick<LaneOptions, 'load' | 'onStep' | 'onReuse' | 'onFailure'>) => Lane[];
  bounds: LimitBounds;
  /** Cells of all lanes. */
  cells: number;
  /** Requests that are answered in one lane before they are spread; 0 where they are spread at once. */
  gathered: number;
  /** Steps failed again and again: nothing can be computed any more. */
  onBroken(error: Error): void;
}

/** Where a job could go. */
export interface Place<Of = Lane> {
  lane: Of;
  slot: number;
  /** Tokens of its prompt that are there. */
  reuse: number;
  /** Jobs and tokens of the lane. */
  running: number;
  cells: number;
}

/** A lane that holds a part of the prompt may have so many more to answer than another, and is chosen still. */
const BUSIER = 1;
/** Tokens that are sooner read again than answered apart from the others. */
const MUCH = 64;
const BROKEN_AFTER = 4;
const MOST_RECORDS = 1000;

/** To where few are answered; in that choice to the one that holds most of the prompt. */
export function spread<Of>(places: readonly Place<Of>[]): Place<Of> | undefined {
  const least = Math.min(...places.map(({ running }) => running));
  return places
    .filter(({ running, reuse }) => running === least || (reuse > 0 && running <= least + BUSIER))
    .toSorted((a, b) => b.reuse - a.reuse || a.running - b.running)[0];
}

/** To the one that holds much more of the prompt; else to where most are answered; else to where least would be forgotten. */
export function gather<Of>(places: readonly Place<Of>[]): Place<Of> | undefined {
  const much = ({ reuse }: Place<Of>) => Math.floor(reuse / MUCH);
  return places.toSorted(
    (a, b) => much(b) - much(a) || b.running - a.running || b.reuse - a.reuse || a.cells - b.cells,
  )[0];
}

/** Gives answers to lanes, and decides from the duration of their steps how many may run at once. */
export class StepScheduler {
  readonly lanes: readonly Lane[];
  private limit: number;
  private readonly bounds: LimitBounds;
  private recent: LimitStep[] = [];
  private failuresInARow = 0;
  private readonly homes = new Map<number, Lane>();
  private news = { changes: ['start'] as LimitReason[], steps: [] as StepRecord[], reused: 0, outOfMemory: 0 };

  constructor(private readonly options: SchedulerOptions) {
    this.bounds = { ...options.bounds };
    this.limit = Math.min(this.bounds.min, this.bounds.max);
    this.lanes = options.lanes({
      load: () => this.running,
      onStep: (step, load) => this.onStep(step, load),
      onReuse: (tokens) => (this.news.reused += tokens),
      onFailure: (error) => this.onFailure(error),
    });
  }

  /** @throws Error where all sequences are taken */
  start(job: Job): void {
    const places = this.lanes.flatMap((lane): Place[] => {
      const at = lane.place(job);
      return at ? [{ lane, ...at, running: lane.running, cells: lane.cells }] : [];
    });
    const best = this.running < this.options.gathered ? gather(places) : spread(places);
    if (!best) throw new Error('More requests than sequences.');
    this.homes.set(job.id, best.lane);
    best.lane.start(job, best);
  }

  /** The job's next step is not taken. Unknown ids are ignored. */
  cancel(id: number): void {
    this.homes.get(id)?.cancel(id);
  }

  /** The job is over. */
  forget(id: number): void {
    this.homes.delete(id);
  }

  get running(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.running, 0);
  }

  /** What happened since the last call; undefined if nothing did. */
  takeStats(): SchedulerStats | undefined {
    const { news } = this;
    if (news.steps.length === 0 && news.changes.length === 0 && news.outOfMemory === 0) return undefined;
    this.news = { changes: [], steps: [], reused: 0, outOfMemory: 0 };
    const held = this.lanes.reduce((sum, lane) => sum + lane.cells, 0);
    return { ...news, limit: this.limit, cellsUsed: Math.min(1, held / this.options.cells) };
  }

  private onStep(step: StepRecord, running: number): void {
    this.failuresInARow = 0;
    this.news.steps.push(step);
    if (this.news.steps.length > MOST_RECORDS) this.news.steps.shift();
    this.recent.push({ seconds: step.seconds, running });
    if (this.recent.length > WINDOW) this.recent.shift();
    const { limit, reason } = decideLimit(this.limit, this.recent, this.bounds);
    if (reason) this.change(limit, reason);
  }

  private onFailure(error: Error): void {
    this.news.outOfMemory++;
    if (++this.failuresInARow >= BROKEN_AFTER) return this.options.onBroken(error);
    this.bounds.max = afterOutOfMemory(Math.min(this.limit, this.bounds.max));
    this.change(Math.min(this.limit, this.bounds.max), 'memory');
  }

  private change(limit: number, reason: LimitReason): void {
    this.limit = limit;
    this.recent = [];
    this.news.changes.push(reason);
  }
}
