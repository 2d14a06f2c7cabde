import type { Logger } from '@vigil/service';
import type { ApiMetrics } from './metrics.js';
import { post, type Target } from './notify/http.js';

/** How often it is looked whether a beat is due. */
const LOOK_MS = 1_000;

export interface HeartbeatOptions {
  target: Target;
  intervalSeconds: number;
  timeoutSeconds: number;
  /** A sentence where the rules are not really being evaluated: then nothing is sent, and whoever waits for it alarms. */
  obstacle: (now: Date) => string | undefined;
  metrics: ApiMetrics;
  log: Logger;
}

/**
 * A dead man's switch: tells an address again and again that the rules are evaluated. Whoever serves the address (a service
 * made for it, another Alertmanager) alarms when it hears nothing for a while; so a Vigil that hangs is noticed, too.
 */
export class Heartbeat {
  private timer: NodeJS.Timeout | undefined;
  private nextAt = 0;
  private sending: Promise<void> | undefined;
  private isWell = true;
  private readonly cutOff = new AbortController();

  constructor(private readonly options: HeartbeatOptions) {}

  start(): void {
    this.timer ??= setInterval(() => this.look(new Date()), LOOK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.cutOff.abort();
    await this.sending;
  }

  private look(now: Date): void {
    if (this.sending || now.getTime() < this.nextAt) return;
    const { intervalSeconds, metrics, obstacle } = this.options;
    const reason = obstacle(now);
    if (reason !== undefined) {
      metrics.heartbeats.inc({ result: 'withheld' });
      this.note(reason, 'no heartbeat is sent');
      return;
    }
    this.nextAt = now.getTime() + intervalSeconds * 1000;
    this.sending = this.send(now).finally(() => (this.sending = undefined));
  }

  private async send(now: Date): Promise<void> {
    const { target, timeoutSeconds, metrics } = this.options;
    const body = JSON.stringify({ status: 'ok', at: now.toISOString() });
    const answer = await post(target, {}, body, { timeoutSeconds, signal: this.cutOff.signal });
    const reason =
      answer.kind === 'failed'
        ? answer.reason
        : answer.status < 200 || answer.status > 299
          ? `It was answered ${answer.status}.`
          : undefined;
    metrics.heartbeats.inc({ result: reason === undefined ? 'sent' : 'failed' });
    if (reason === undefined) this.isWell = true;
    else this.note(reason, 'a heartbeat did not arrive');
  }

  /** Once for each time that it is not well. */
  private note(reason: string, what: string): void {
    if (this.isWell && !this.cutOff.signal.aborted)
      this.options.log.warn({ host: this.options.target.url.host, reason }, what);
    this.isWell = false;
  }
}
