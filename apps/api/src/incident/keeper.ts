import { errorMessage, type Logger } from '@vigil/service';
import type { DataSource } from 'typeorm';
import { isDefect } from '../database.js';
import type { ApiMetrics } from '../metrics.js';
import { conclude, investigate } from './build.js';
import { addIncident, endIncident, readEnded, readUnexplained, type EndedFiring, type OpenFiring } from './store.js';
import type { Incident } from './types.js';

const EVERY_MS = 5_000;
/** Incidents of one pass; in a storm the others follow, a pass at a time. */
const AT_ONCE = 20;
/** Older firings are not looked into any more. */
const LOOK_BACK_MS = 3_600_000;
/** After so many failed attempts an incident says that it failed. */
const ATTEMPTS = 3;

export interface IncidentKeeperOptions {
  store: DataSource;
  scope: string;
  metrics: ApiMetrics;
  log: Logger;
}

/** Looks into what fires, and completes it when it is over. A fault here costs the incident and nothing else. */
export class IncidentKeeper {
  private pass: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private readonly failures = new Map<string, number>();

  constructor(private readonly options: IncidentKeeperOptions) {}

  start(): void {
    this.timer ??= setInterval(() => void this.run(), EVERY_MS);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.pass;
  }

  /** Looks into what is new; returns once that is done, and after `waitMs` in any case. Never throws. */
  async prepare(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, waitMs);
    });
    await Promise.race([this.run(), late]);
    clearTimeout(timer);
  }

  /** One pass, or the one after that which is under way: what is new may not be in that one. */
  private async run(): Promise<void> {
    await this.pass;
    if (this.isStopped) return;
    this.pass ??= this.look().finally(() => (this.pass = undefined));
    await this.pass;
  }

  private async look(): Promise<void> {
    const { store, scope, log } = this.options;
    try {
      const since = new Date(Date.now() - LOOK_BACK_MS);
      for (const firing of await readUnexplained(store, scope, since, AT_ONCE)) await this.explain(firing);
      for (const ended of await readEnded(store, scope, AT_ONCE)) await this.end(ended);
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'incidents could not be looked into: PostgreSQL does not answer');
    }
  }

  private async explain(firing: OpenFiring): Promise<void> {
    const { store, scope } = this.options;
    if (this.isStopped) return;
    const incident = await this.attempt(firing, () => investigate(store, firing, new Date()));
    if (incident) await addIncident(store, scope, firing, incident);
  }

  private async end(ended: EndedFiring): Promise<void> {
    if (this.isStopped) return;
    const { store } = this.options;
    const { detail, resolvedAt } = ended;
    const incident = await this.attempt(ended, () => conclude(store, ended, detail, resolvedAt));
    // One that can't be completed stays as it was when the alert fired.
    if (incident) await endIncident(store, ended.id, resolvedAt, incident.status === 'failed' ? detail : incident);
  }

  /** @returns undefined where it failed and is to be tried again */
  private async attempt(firing: OpenFiring, work: () => Promise<Incident>): Promise<Incident | undefined> {
    const { metrics, log } = this.options;
    const end = metrics.incidentDuration.startTimer();
    try {
      const incident = await work();
      this.failures.delete(firing.id);
      end();
      return incident;
    } catch (error) {
      metrics.incidentFailures.inc();
      const attempts = (this.failures.get(firing.id) ?? 0) + 1;
      this.failures.set(firing.id, attempts);
      const reason = errorMessage(error);
      const level = isDefect(error) ? 'error' : 'warn';
      log[level]({ rule: firing.rule, reason, attempts }, 'why an alert fired could not be looked into');
      if (attempts < ATTEMPTS) return undefined;
      this.failures.delete(firing.id);
      return failed(firing, 'What was going on could not be read from PostgreSQL in time.');
    }
  }
}

function failed({ activeSince, firedAt }: OpenFiring, reason: string): Incident {
  const [from, to] = [activeSince.toISOString(), firedAt.toISOString()];
  const none = { total: 0, failed: 0, looping: 0, errors: [], slowest: [], failures: [], loops: [], isCut: false };
  return {
    status: 'failed',
    reason,
    window: { from, baselineUntil: from, activeSince: from, to, step: 0 },
    isKnown: false,
    movers: [],
    signals: [],
    requests: { from, to, ...none },
    events: [],
    ending: null,
  };
}
