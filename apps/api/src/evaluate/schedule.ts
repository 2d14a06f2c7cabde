import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Evaluator } from './evaluator.js';

export const EVALUATOR = Symbol('evaluator');
export const INTERVAL_SECONDS = Symbol('interval');
const NAME = 'evaluation';

/**
 * Processes that do not evaluate look a part of the interval later than the one that does: it is there first on every beat, and
 * one of them takes over as soon as it misses one.
 */
const FOLLOWER_PHASE = 0.3;

/** A timer may be a little early, or late: within this part of an interval a beat is that of its schedule. */
const LEEWAY = 0.1;

/** The time that a beat counts as, in milliseconds: that of its schedule where it is hardly early or late. */
export function beatTime(nowMs: number, intervalMs: number): number {
  const nearest = Math.round(nowMs / intervalMs) * intervalMs;
  return Math.abs(nowMs - nearest) < intervalMs * LEEWAY ? nearest : nowMs;
}

/** Milliseconds until the next beat: whole intervals of the clock, so that a `for` of five beats is five beats long. */
export function untilNext(nowMs: number, intervalMs: number, leads: boolean): number {
  const phase = leads ? 0 : intervalMs * FOLLOWER_PHASE;
  const next = (Math.floor((nowMs - phase) / intervalMs + LEEWAY) + 1) * intervalMs + phase;
  return next - nowMs;
}

/** Beats the evaluator: once it is told to start, then every interval. */
@Injectable()
export class EvaluationSchedule implements OnApplicationShutdown {
  private isStopped = false;

  constructor(
    @Inject(SchedulerRegistry) private readonly scheduler: SchedulerRegistry,
    @Inject(EVALUATOR) private readonly evaluator: Evaluator,
    @Inject(INTERVAL_SECONDS) private readonly intervalSeconds: number,
  ) {}

  start(): void {
    void this.evaluator.beat().then(() => this.next());
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    if (this.scheduler.doesExist('timeout', NAME)) this.scheduler.deleteTimeout(NAME);
    await this.evaluator.idle();
  }

  /** The timer does not wait for the beat: one that takes too long is counted as an overlap. */
  private next(): void {
    if (this.isStopped) return;
    if (this.scheduler.doesExist('timeout', NAME)) this.scheduler.deleteTimeout(NAME);
    const wait = untilNext(Date.now(), this.intervalSeconds * 1000, this.evaluator.leads);
    const beat = () => {
      void this.evaluator.beat();
      this.next();
    };
    this.scheduler.addTimeout(NAME, setTimeout(beat, Math.max(1, Math.ceil(wait))));
  }
}
