import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { untilNext } from './beat-time.js';
import type { Evaluator } from './evaluator.js';

export const EVALUATOR = Symbol('evaluator');
export const INTERVAL_SECONDS = Symbol('interval');
const NAME = 'evaluation';

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
