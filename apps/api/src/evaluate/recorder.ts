import { randomUUID } from 'node:crypto';
import type { Logger } from '@vigil/service';
import type { Sql } from '../database.js';
import type { Channel } from '../notify/channels.js';
import { contextOf, isStatus, type Message, type TransitionContext } from '../notify/message.js';
import { isUnresolved, type Rule, type Transition } from '@vigil/rules';
import {
  addNotifications,
  addTransition,
  dropAlerts,
  lastContext,
  lastFiring,
  type StoredAlert,
} from './alert-store.js';

/** A rule with what its messages say besides. */
export interface LoadedRule {
  rule: Rule;
  /** The first things to do, from its runbook. */
  steps: readonly string[];
  hasRunbook: boolean;
}

export interface RecorderOptions {
  scope: string;
  channels: readonly Channel[];
  publicUrl: () => string;
  log: Logger;
}

/** Writes transitions into the history, and the messages about them into the outbox, with the transaction it is given. */
export class Recorder {
  constructor(private readonly options: RecorderOptions) {}

  /** @returns how many messages were put into the outbox */
  async record(sql: Sql, { rule, steps, hasRunbook }: LoadedRule, transition: Transition): Promise<number> {
    const { scope, log } = this.options;
    const { from, to, at, alert } = transition;
    const { fingerprint, labels, value } = alert;
    const context = contextOf(rule, transition);
    const id = await addTransition(sql, scope, { rule: rule.name, fingerprint, labels, from, to, at, value, context });
    if (!transition.notify || !isStatus(to)) return 0;
    log.info({ rule: rule.name, labels, from, to, value }, 'an alert changed');
    const firing = to === 'firing' ? id : await lastFiring(sql, scope, rule.name, fingerprint);
    const links = { alert: this.alertLink(rule.name, firing), runbook: hasRunbook ? this.runbookLink(rule) : null };
    return this.post(sql, id, { status: to, rule: rule.name, labels, value, at, context, steps, links });
  }

  /**
   * Ends alerts of no rule: nobody looks at them any more, so those that people were told of are told to be over, with the
   * reason.
   * @param rules the names of those that are evaluated: an alert of such a one is what the rule was changed away from
   * @returns how many messages were put into the outbox
   */
  async retire(
    sql: Sql,
    strays: readonly StoredAlert[],
    rules: ReadonlyMap<string, unknown>,
    now: Date,
  ): Promise<number> {
    const { scope } = this.options;
    for (const [rule, alerts] of Map.groupBy(strays, (alert) => alert.rule))
      await dropAlerts(
        sql,
        scope,
        rule,
        alerts.map(({ fingerprint }) => fingerprint),
      );
    let told = 0;
    for (const alert of strays) {
      const { rule, fingerprint, labels, state: from, value } = alert;
      const last = isUnresolved(alert) ? await lastContext(sql, scope, rule, fingerprint) : undefined;
      if (!last) continue;
      const reason = rules.has(rule) ? { ruleChanged: true as const } : { ruleRemoved: true as const };
      const context = { ...(last as unknown as TransitionContext), ...reason };
      const ended = { rule, fingerprint, labels, from, to: 'resolved' as const, at: now, value, context };
      const id = await addTransition(sql, scope, ended);
      const firing = await lastFiring(sql, scope, rule, fingerprint);
      const links = { alert: this.alertLink(rule, firing), runbook: null };
      told += await this.post(sql, id, { status: 'resolved', rule, labels, value, at: now, context, steps: [], links });
    }
    return told;
  }

  private async post(sql: Sql, transitionId: string, message: Message): Promise<number> {
    const { scope, channels } = this.options;
    const messages = channels.map((channel) => {
      const key = randomUUID();
      return { channel: channel.name, key, payload: channel.render(message, key) };
    });
    await addNotifications(sql, scope, transitionId, messages);
    return messages.length;
  }

  /** To the alert with all that is known of why it fired; to those of its rule where its firing is forgotten. */
  private alertLink(rule: string, firing: string | undefined): string {
    const path = firing === undefined ? `?rule=${encodeURIComponent(rule)}` : `/${firing}`;
    return `${this.options.publicUrl()}/api/v1/alerts${path}`;
  }

  private runbookLink(rule: Rule): string {
    return `${this.options.publicUrl()}/api/v1/rules/${encodeURIComponent(rule.name)}/runbook`;
  }
}
