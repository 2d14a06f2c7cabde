import { describeCondition, describeValue, type Message } from './message.js';

/** The plain JSON form. `key` is the same in every attempt, so a receiver can tell a repeated delivery. */
export function toWebhook(message: Message, key: string): object {
  const { status, rule, labels, value, at, context, steps, links } = message;
  return {
    version: 1,
    key,
    status,
    rule,
    severity: context.severity,
    summary: context.summary,
    labels,
    replay: context.replay,
    signal: context.signal,
    unit: context.unit,
    value,
    valueText: describeValue(value, context.unit),
    threshold: context.condition.threshold,
    conditionText: describeCondition(context),
    since: context.activeSince,
    at: at.toISOString(),
    action: context.action,
    steps,
    links,
  };
}
