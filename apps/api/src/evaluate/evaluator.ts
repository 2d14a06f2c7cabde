import { describeError, errorMessage, type Logger } from '@vigil/service';
import { transaction } from '@vigil/store';
import type { DataSource } from 'typeorm';
import { isDefect, type DatabaseState, type Sql } from '../database.js';
import type { ApiMetrics } from '../metrics.js';
import { aboutOf, ALERT_STATES, decideLevels, type Reading, type Rule } from '@vigil/rules';
import { dropAlerts, readAlerts, readBeat, tryLock, writeAlerts, writeBeat, type StoredAlert } from './alert-store.js';
import { changedOf, keyOf } from './changed.js';
import { readRules, type Answer } from './read-rules.js';
import type { LoadedRule, Recorder } from './recorder.js';
import { beatTime } from './beat-time.js';

export interface EvaluatorOptions {
  store: DataSource;
  scope: string;
  /** Those that are on. They may change from one beat to the next. */
  rules: () => readonly LoadedRule[];
  /** Looks whether they have changed; asked at the begin of each beat. */
  refresh?: (sql: Sql) => Promise<void>;
  recorder: Recorder;
  intervalSeconds: number;
  /** For how long after a start or an outage nothing is concluded from data that are not there. */
  graceSeconds: number;
  database: DatabaseState;
  metrics: ApiMetrics;
  log: Logger;
  /** Told after each beat that put something into the outbox. */
  onMessages: () => void;
  now?: () => Date;
}

export type BeatResult = 'evaluated' | 'elsewhere' | 'overlap' | 'failed';

/** What this process knows of a rule's last evaluation. */
export interface RuleStatus {
  evaluatedAt: Date | null;
  /** A sentence, where the last evaluation failed. */
  error: string | null;
}

/** Evaluates all rules once a beat, and writes what follows from it in one transaction. */
export class Evaluator {
  readonly status = new Map<string, RuleStatus>();
  private running: Promise<BeatResult> | undefined;
  private lastBeat: Date | undefined;
  private watchedSince: Date | undefined;
  private isLeading = false;
  /** When a beat was last tried without one before it still running. */
  private begunAt: Date | undefined;
  /** Longest time between two beats that counts as watched, in seconds. */
  private readonly maxGapSeconds: number;

  constructor(private readonly options: EvaluatorOptions) {
    this.maxGapSeconds = Math.max(60, 4 * options.intervalSeconds);
  }

  /** One beat, unless the last one still runs. Never throws. */
  async beat(): Promise<BeatResult> {
    const { metrics } = this.options;
    if (this.running) {
      metrics.beats.inc({ result: 'overlap' });
      return 'overlap';
    }
    this.begunAt = this.now();
    this.running = this.attempt();
    const result = await this.running;
    this.running = undefined;
    metrics.beats.inc({ result });
    metrics.leader.set(result === 'evaluated' ? 1 : 0);
    // A beat that failed is late, and no reason to think that somebody else evaluates.
    if (result !== 'failed') this.isLeading = result === 'evaluated';
    if (result === 'elsewhere') metrics.alerts.reset();
    return result;
  }

  /** A sentence where a beat takes so long that alerts come late; PostgreSQL that hangs looks like that. */
  overdue(now: Date): string | undefined {
    if (!this.running || !this.begunAt) return undefined;
    const seconds = (now.getTime() - this.begunAt.getTime()) / 1000;
    if (seconds < Math.max(5, 4 * this.options.intervalSeconds)) return undefined;
    return `The rules are being evaluated for ${Math.round(seconds)} s: PostgreSQL hangs or is too slow.`;
  }

  /** Whether this process is the one that evaluates, as far as it knows. */
  get leads(): boolean {
    return this.isLeading;
  }

  /** Seconds since the beat whose decisions were last written down; undefined where another process evaluates. */
  lag(now: Date): number | undefined {
    return this.isLeading && this.lastBeat ? Math.max(0, (now.getTime() - this.lastBeat.getTime()) / 1000) : undefined;
  }

  /** A sentence where this process does not really evaluate: another one does, beats fail, or no rule can be read. */
  obstacle(now: Date): string | undefined {
    const lag = this.lag(now);
    if (lag === undefined) return 'Another process evaluates the rules, or none has yet.';
    if (lag > Math.max(5, 3 * this.options.intervalSeconds))
      return `The rules were last evaluated ${Math.round(lag)} s ago.`;
    const all = [...this.status.values()];
    if (all.length > 0 && all.every(({ error }) => error !== null)) return 'No rule could be evaluated.';
    return undefined;
  }

  /** Resolves once no beat runs. */
  async idle(): Promise<void> {
    await this.running;
  }

  /** Beats that are on time are whole intervals apart, so that a `for` of five beats is five beats. */
  private now(): Date {
    if (this.options.now) return this.options.now();
    return new Date(beatTime(Date.now(), this.options.intervalSeconds * 1000));
  }

  private async attempt(): Promise<BeatResult> {
    const { store, database, metrics, onMessages } = this.options;
    const now = this.now();
    const end = metrics.duration.startTimer();
    try {
      const told = await transaction(store, (runner) => this.evaluate(runner, now));
      database.well();
      if (told === undefined) return 'elsewhere';
      end();
      this.lastBeat = now;
      metrics.evaluatedAt.set(now.getTime() / 1000);
      if (told > 0) onMessages();
      return 'evaluated';
    } catch (error) {
      // What was not watched must not be mistaken for data that ended.
      this.watchedSince = undefined;
      this.report(error);
      return 'failed';
    }
  }

  /** @returns how many messages were put into the outbox; undefined where another process evaluates */
  private async evaluate(sql: Sql, now: Date): Promise<number | undefined> {
    const { store, scope, recorder } = this.options;
    await this.options.refresh?.(sql);
    if (!(await tryLock(sql, scope))) return undefined;
    if (this.isElsewhere(await readBeat(sql, scope), now)) return undefined;
    const rules = this.options.rules();
    const stored = await readAlerts(sql, scope);
    const { known: before, strays } = apart(stored, rules);
    const options = { maxGapSeconds: this.maxGapSeconds, absenceCounts: this.absenceCounts(now) };
    const answers = await readRules(
      store,
      rules.map(({ rule }) => rule),
      now,
    );
    const alerts: StoredAlert[] = [];
    const decided: StoredAlert[] = [];
    let told = 0;
    for (const loaded of rules) {
      const { name } = loaded.rule;
      const known = before.get(name)!;
      const readings = this.readingsOf(loaded.rule, answers.get(loaded.rule)!, now);
      if (!readings) {
        alerts.push(...known);
        continue;
      }
      for (const { rule, alerts: after, transitions, forgotten } of decideLevels(
        loaded.rule,
        known,
        readings,
        now,
        options,
      )) {
        await dropAlerts(sql, scope, name, forgotten);
        for (const alert of after) decided.push({ ...alert, rule: name });
        for (const transition of transitions) told += await recorder.record(sql, { ...loaded, rule }, transition);
      }
    }
    const written = new Map(stored.map((alert) => [keyOf(alert), alert]));
    await writeAlerts(sql, scope, changedOf(written, decided, this.options.intervalSeconds));
    for (const name of this.status.keys()) if (!before.has(name)) this.status.delete(name);
    told += await recorder.retire(sql, strays, before, now);
    await writeBeat(sql, scope, now);
    this.count([...alerts, ...decided], rules);
    return told;
  }

  /**
   * Another process has evaluated just now. The lock alone would let several processes take turns; so one that is not the
   * last to have evaluated leaves it to the other until that one misses a beat.
   */
  private isElsewhere(latest: Date | undefined, now: Date): boolean {
    if (!latest || latest.getTime() === this.lastBeat?.getTime()) return false;
    const age = now.getTime() - latest.getTime();
    return age >= 0 && age < this.options.intervalSeconds * 900;
  }

  private absenceCounts(now: Date): boolean {
    const gap = this.lastBeat ? now.getTime() - this.lastBeat.getTime() : Number.POSITIVE_INFINITY;
    if (!this.watchedSince || gap < 0 || gap > this.maxGapSeconds * 1000) this.watchedSince = now;
    return now.getTime() - this.watchedSince.getTime() >= this.options.graceSeconds * 1000;
  }

  /** A rule's readings; undefined where its query failed, which must not stop the others. */
  private readingsOf(rule: Rule, answer: Answer, now: Date): Reading[] | undefined {
    const { metrics, log } = this.options;
    const before = this.status.get(rule.name) ?? { evaluatedAt: null, error: null };
    metrics.evaluations.inc({ rule: rule.name });
    if ('values' in answer) {
      this.status.set(rule.name, { evaluatedAt: now, error: null });
      return answer.values;
    }
    const reason = errorMessage(answer.error);
    metrics.evaluationFailures.inc({ rule: rule.name });
    if (before.error === null)
      log.warn({ rule: rule.name, reason }, 'a rule could not be evaluated; its alerts stay as they are');
    this.status.set(rule.name, { evaluatedAt: before.evaluatedAt, error: `Its query failed: ${reason}.` });
    return undefined;
  }

  private report(error: unknown): void {
    const { database, log } = this.options;
    const reason = errorMessage(error);
    if (isDefect(error)) log.error({ reason: describeError(error) }, 'a beat of the rules failed');
    else if (database.ill(`PostgreSQL does not answer (${reason}).`))
      log.warn({ reason }, 'a beat of the rules was skipped: PostgreSQL does not answer');
  }

  private count(alerts: readonly StoredAlert[], rules: readonly LoadedRule[]): void {
    const { metrics } = this.options;
    metrics.alerts.reset();
    const counts = Map.groupBy(alerts, ({ rule, state }) => `${rule} ${state}`);
    for (const { rule } of rules)
      for (const state of ALERT_STATES)
        metrics.alerts.set({ rule: rule.name, state }, counts.get(`${rule.name} ${state}`)?.length ?? 0);
  }
}

/** The alerts of each rule, and those of no rule any more: it is gone or off, or was changed and is no longer about them. Pure. */
function apart(
  stored: readonly StoredAlert[],
  rules: readonly LoadedRule[],
): { known: Map<string, StoredAlert[]>; strays: StoredAlert[] } {
  const known = new Map<string, StoredAlert[]>(rules.map(({ rule }) => [rule.name, []]));
  const abouts = new Map(rules.map(({ rule }) => [rule.name, aboutOf(rule)]));
  const strays: StoredAlert[] = [];
  for (const alert of stored) (abouts.get(alert.rule)?.(alert.labels) ? known.get(alert.rule)! : strays).push(alert);
  return { known, strays };
}
