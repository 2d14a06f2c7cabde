import { errorMessage, type Logger } from '@vigil/service';
import type { DataSource } from 'typeorm';
import type { DatabaseState } from '../database.js';
import type { ApiMetrics } from '../metrics.js';
import type { Channel } from './channels.js';
import { judge, type Verdict } from './decide.js';
import { claimDue, giveUp, measureOutbox, settle, type Claimed } from './outbox.js';
import { send } from './send.js';

const AT_ONCE = 4;
const IDLE_MS = 1_000;
const GIVE_UP_EVERY_MS = 60_000;
/** How long a stop waits for answers that are under way. */
const STOP_MS = 1_500;

export interface DeliveryOptions {
  store: DataSource;
  scope: string;
  channels: readonly Channel[];
  timeoutSeconds: number;
  database: DatabaseState;
  metrics: ApiMetrics;
  log: Logger;
}

/** Takes messages out of the outbox and delivers them, each at least once, until it is stopped. */
export class Delivery {
  private readonly stopping = new AbortController();
  private readonly cutOff = new AbortController();
  private loop: Promise<void> | undefined;
  private wakeUp: () => void = () => undefined;
  /** Delivered, but not yet written down as PostgreSQL was away: not to be sent again when they are taken again. */
  private readonly unsettled = new Map<string, Verdict>();
  /** A channel that asked to be left alone, until when (milliseconds). */
  private readonly paused = new Map<string, number>();
  private gaveUpAt = 0;

  constructor(private readonly options: DeliveryOptions) {}

  start(): void {
    if (this.options.channels.length === 0)
      this.options.log.info(
        'no channel is configured: alerts are kept, and nobody is told. Set SLACK_WEBHOOK_URL or WEBHOOK_URL',
      );
    this.loop ??= this.run();
  }

  /** There is something new in the outbox. */
  wake(): void {
    this.wakeUp();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.wakeUp();
    const timer = setTimeout(() => this.cutOff.abort(), STOP_MS);
    await this.loop;
    clearTimeout(timer);
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const full = await this.round();
      if (!full) await this.idle();
    }
  }

  private idle(): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, IDLE_MS);
      this.wakeUp = () => {
        clearTimeout(timer);
        done();
      };
      if (this.stopping.signal.aborted) this.wakeUp();
    });
  }

  /** One look into the outbox. @returns whether there may be more at once */
  private async round(): Promise<boolean> {
    const { store, scope, database, metrics, log, timeoutSeconds } = this.options;
    try {
      const channels = this.options.channels.filter(({ name }) => (this.paused.get(name) ?? 0) <= Date.now());
      const claimed =
        channels.length === 0
          ? []
          : await claimDue(
              store,
              scope,
              channels.map(({ name }) => name),
              AT_ONCE,
              timeoutSeconds + 5,
            );
      await Promise.all(claimed.map((message) => this.deliver(message)));
      if (Date.now() - this.gaveUpAt > GIVE_UP_EVERY_MS) {
        const lost = await giveUp(store, scope);
        if (lost > 0) log.error({ messages: lost }, 'messages were given up: nobody could be told for a day');
        this.gaveUpAt = Date.now();
      }
      const { waiting, ageSeconds } = await measureOutbox(store, scope);
      metrics.outboxWaiting.set(waiting);
      metrics.outboxAge.set(ageSeconds);
      database.well();
      return claimed.length === AT_ONCE;
    } catch (error) {
      if (database.ill(`PostgreSQL does not answer (${errorMessage(error)}).`))
        log.warn({ reason: errorMessage(error) }, 'PostgreSQL does not answer; alerts wait until it does');
      return false;
    }
  }

  private async deliver(message: Claimed): Promise<void> {
    const known = this.unsettled.get(message.id);
    const verdict = known ?? (await this.attempt(message));
    if (!verdict) return;
    this.unsettled.set(message.id, verdict);
    await settle(this.options.store, message.id, verdict);
    this.unsettled.delete(message.id);
  }

  private async attempt(message: Claimed): Promise<Verdict | undefined> {
    const { channels, timeoutSeconds, metrics, log } = this.options;
    const channel = channels.find(({ name }) => name === message.channel)!;
    const answer = await send(channel.url, JSON.stringify(message.payload), message.key, {
      timeoutSeconds,
      signal: this.cutOff.signal,
    });
    // Cut off by our own stop: nothing is known of it, so it is taken again after its lease.
    if (answer.kind === 'failed' && this.cutOff.signal.aborted) return undefined;
    const verdict = judge(answer, message.attempts, new Date(), Math.random());
    metrics.notifications.inc({ channel: channel.name, result: verdict.result });
    if (verdict.result === 'sent') return verdict;
    const fields = { channel: channel.name, host: channel.url.host, notification: message.id, reason: verdict.reason };
    if (verdict.result === 'dead') log.error(fields, 'a message can not be delivered and is given up');
    else {
      log.warn({ ...fields, again_in_seconds: verdict.delaySeconds }, 'a message could not be delivered yet');
      if (answer.kind === 'answered' && answer.status === 429)
        this.paused.set(channel.name, Date.now() + verdict.delaySeconds * 1000);
    }
    return verdict;
  }
}
