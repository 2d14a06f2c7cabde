import { Inject, Injectable, Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval, ScheduleModule } from '@nestjs/schedule';
import { errorMessage, type Logger } from '@vigil/service';
import { dropExpired } from '@vigil/store';
import type { StoreLink } from './write/store-link.js';

const HOUR_MS = 3_600_000;

export interface RetentionOptions {
  link: StoreLink;
  /** How long rows are kept, in seconds. */
  retention: number;
  log: Logger;
}

const OPTIONS = Symbol('retention options');

/** Drops what is older than the retention, at the start and every hour. */
@Injectable()
export class Retention implements OnApplicationBootstrap {
  constructor(@Inject(OPTIONS) private readonly options: RetentionOptions) {}

  /** A process that never lives for an hour must drop as well. Not awaited: nothing waits for it. */
  onApplicationBootstrap(): void {
    void this.drop();
  }

  /** Never throws: what failed is tried again in an hour. */
  @Interval(HOUR_MS)
  async drop(now = new Date()): Promise<void> {
    const { link, retention, log } = this.options;
    if (!link.up) return;
    try {
      const dropped = await dropExpired(link.store, now, retention);
      if (dropped.length > 0) log.info({ dropped }, 'days older than RETENTION were dropped');
    } catch (error) {
      log.warn({ reason: errorMessage(error) }, 'old rows could not be dropped; it is tried again in an hour');
    }
  }
}

@Module({})
export class RetentionModule {
  static of(options: RetentionOptions): DynamicModule {
    return {
      module: RetentionModule,
      imports: [ScheduleModule.forRoot()],
      providers: [{ provide: OPTIONS, useValue: options }, Retention],
    };
  }
}
