import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Evaluator } from './evaluator.js';

export const EVALUATOR = Symbol('evaluator');
export const INTERVAL_SECONDS = Symbol('interval');
const NAME = 'evaluation';

/** Beats the evaluator: once it is told to start, then every interval. */
@Injectable()
export class EvaluationSchedule implements OnApplicationShutdown {
  constructor(
    @Inject(SchedulerRegistry) private readonly scheduler: SchedulerRegistry,
    @Inject(EVALUATOR) private readonly evaluator: Evaluator,
    @Inject(INTERVAL_SECONDS) private readonly intervalSeconds: number,
  ) {}

  start(): void {
    const beat = () => void this.evaluator.beat();
    this.scheduler.addInterval(NAME, setInterval(beat, this.intervalSeconds * 1000));
    beat();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.scheduler.doesExist('interval', NAME)) this.scheduler.deleteInterval(NAME);
    await this.evaluator.idle();
  }
}
