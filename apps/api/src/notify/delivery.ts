import { errorMessage, type Logger } from '@vigil/service';
import type { DataSource } from 'typeorm';
import type { DatabaseState } from '../database.js';
import type { ApiMetrics } from '../metrics.js';
import { judge, type Verdict } from './decide.js';
import { reconsider } from './dispatch-store.js';
import type { Dispatcher } from './dispatcher.js';
import { claimDue, countUnsent, giveUp, measureOutbox, settle, type Claimed } from './outbox.js';
import type { Receiver } from './receivers/types.js';
import { countActiveSilences } from './silence-store.js';

/** Messages under way to one receiver. A receiver that hangs keeps nobody else waiting. */
const AT_ONCE = 16;
const IDLE_MS = 1_000;
const GIVE_UP_EVERY_MS = 60_000;
const COUNT_EVERY_MS = 5_000;
/** How long a stop waits for answers that are under way. */
const STOP_MS = 1_500;

export interface DeliveryOptions {
  store: DataSource;
  scope: string;
  receivers: readonly Receiver[];
  dispatcher: Dispatcher;
  timeoutSeconds: number;
  database: DatabaseState;
  metrics: ApiMetrics;
  log: Logger;
}

/** Has events dispatched, takes messages out of the outbox and delivers them, each at least once, until it is stopped. */
export class Delivery {
  private readonly stopping = new AbortController();
  private readonly cutOff = new AbortController();
  private loop: Promise<void> | undefined;
  private wakeUp: () => void = () => undefined;
  private isWoken = false;
  private readonly underWay = new Map<string, Set<Promise<void>>>();
  /** Delivered, but not yet written down as PostgreSQL was away: not to be sent again when they are taken again. */
  private readonly unsettled = new Map<string, Verdict>();
  /** A receiver that asked to be left alone, until when (milliseconds). */
  private readonly paused = new Map<string, number>();
  private gaveUpAt = 0;
  private countedAt = 0;
  private isReconsidered = false;

  constructor(private readonly options: DeliveryOptions) {}

  start(): void {
    if (this.options.receivers.length === 0)
      this.options.log.info(
        'no channel is configured: alerts are kept, and nobody is told. Set SLACK_WEBHOOK_URL, WEBHOOK_URL or NOTIFY_FILE',
      );
    this.loop ??= this.run();
  }

  /** There is something new in the outbox. */
  wake(): void {
    this.isWoken = true;
    this.wakeUp();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.wakeUp();
    const timer = setTimeout(() => this.cutOff.abort(), STOP_MS);
    await this.loop;
    await Promise.all([...this.underWay.values()].flatMap((deliveries) => [...deliveries]));
    clearTimeout(timer);
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.isWoken = false;
      await this.round();
      await this.idle();
    }
  }

  private idle(): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, IDLE_MS);
      this.wakeUp = () => {
        clearTimeout(timer);
        done();
      };
      if (this.isWoken || this.stopping.signal.aborted) this.wakeUp();
    });
  }

  /** One look at what is to be told. Deliveries go on after it. */
  private async round(): Promise<void> {
    const { store, scope, database, dispatcher, metrics } = this.options;
    try {
      // What holds messages back may have been changed while this process was not there.
      if (!this.isReconsidered) await reconsider(store, scope);
      this.isReconsidered = true;
      if (await dispatcher.pass()) this.wake();
      const { waiting, ageSeconds, due } = await measureOutbox(store, scope);
      metrics.outboxWaiting.set(waiting);
      metrics.outboxAge.set(ageSeconds);
      for (const receiver of this.options.receivers) if (due.includes(receiver.name)) await this.take(receiver);
      await this.keepHouse();
      database.well();
    } catch (error) {
      this.report(error, 'PostgreSQL does not answer; alerts wait until it does');
    }
  }

  private async keepHouse(): Promise<void> {
    const { store, scope, metrics, log, receivers } = this.options;
    if (Date.now() - this.gaveUpAt > GIVE_UP_EVERY_MS) {
      const names = receivers.map(({ name }) => name);
      const lost = await giveUp(store, scope, names);
      if (lost > 0) log.error({ messages: lost }, 'messages were given up: nobody could be told for a day');
      this.gaveUpAt = Date.now();
    }
    if (Date.now() - this.countedAt > COUNT_EVERY_MS) {
      for (const [status, count] of Object.entries(await countUnsent(store, scope)))
        metrics.unsent.set({ status }, count);
      metrics.silences.set(await countActiveSilences(store, scope));
      this.countedAt = Date.now();
    }
  }

  private async take(receiver: Receiver): Promise<void> {
    const { store, scope, timeoutSeconds } = this.options;
    const deliveries = this.underWay.get(receiver.name) ?? new Set();
    this.underWay.set(receiver.name, deliveries);
    if (deliveries.size >= AT_ONCE || (this.paused.get(receiver.name) ?? 0) > Date.now()) return;
    const lease = timeoutSeconds * (receiver.steps ?? 1) + 5;
    for (const message of await claimDue(store, scope, receiver.name, AT_ONCE - deliveries.size, lease)) {
      const delivery = this.deliver(receiver, message).finally(() => {
        deliveries.delete(delivery);
        // There may be more, for which there was no room.
        this.wake();
      });
      deliveries.add(delivery);
    }
  }

  private async deliver(receiver: Receiver, message: Claimed): Promise<void> {
    const known = this.unsettled.get(message.id);
    const verdict = known ?? (await this.attempt(receiver, message));
    if (!verdict) return;
    this.unsettled.set(message.id, verdict);
    try {
      await settle(this.options.store, message.id, verdict);
      this.unsettled.delete(message.id);
    } catch (error) {
      this.report(error, 'PostgreSQL does not answer; what was delivered is written down later');
    }
  }

  private async attempt(receiver: Receiver, message: Claimed): Promise<Verdict | undefined> {
    const { timeoutSeconds, metrics, log } = this.options;
    const { payload, key, reference, isLate } = message;
    const parcel = { payload, key, reference, isLate, now: new Date() };
    const answer = await receiver.deliver(parcel, { timeoutSeconds, signal: this.cutOff.signal });
    // Cut off by our own stop: nothing is known of it, so it is taken again after its lease.
    if (answer.kind === 'failed' && this.cutOff.signal.aborted) return undefined;
    const verdict = judge(answer, message.attempts, new Date(), Math.random());
    metrics.notifications.inc({ channel: receiver.name, result: verdict.result });
    if (verdict.result === 'sent') return verdict;
    const fields = { channel: receiver.name, host: receiver.where, notification: message.id, reason: verdict.reason };
    if (verdict.result === 'dead') log.error(fields, 'a message can not be delivered and is given up');
    else {
      log.warn({ ...fields, again_in_seconds: verdict.delaySeconds }, 'a message could not be delivered yet');
      if (verdict.pause) this.paused.set(receiver.name, Date.now() + verdict.delaySeconds * 1000);
    }
    return verdict;
  }

  private report(error: unknown, what: string): void {
    const reason = errorMessage(error);
    if (this.options.database.ill(`PostgreSQL does not answer (${reason}).`)) this.options.log.warn({ reason }, what);
  }
}
