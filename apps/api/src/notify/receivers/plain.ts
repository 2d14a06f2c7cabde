import { thresholdOf } from '@vigil/rules';
import type { Batch } from '../batch.js';
import { describeCondition, describeValue, type Message } from '../message.js';

/**
 * The plain JSON form. `key` is the same in every attempt, so a receiver can tell a repeated delivery. The fields are
 * those of the first alert; where a group is told, `alerts` lists all of it.
 */
export function toPlain(batch: Batch, key: string): object {
  const [first] = batch.entries;
  const all = batch.entries.map(({ message, isNew }) => ({ ...alertOf(message), new: isNew }));
  return {
    version: 1,
    key,
    kind: batch.kind,
    episode: batch.episode,
    ...alertOf(first!.message),
    ...(all.length > 1 && { group: batch.group, alerts: all }),
  };
}

function alertOf({ status, rule, labels, value, at, context, why = [], steps, links }: Message): object {
  return {
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
    threshold: thresholdOf(context.condition, value),
    conditionText: describeCondition(context),
    since: context.activeSince,
    at: at.toISOString(),
    action: context.action,
    why,
    steps,
    links,
  };
}
