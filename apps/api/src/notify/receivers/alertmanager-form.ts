import { createHash } from 'node:crypto';
import type { Batch, Entry } from '../batch.js';
import { describeCondition, describeValue, type Message } from '../message.js';

/** An alert as Prometheus's side knows it: the labels are what it is told apart by, so they never change. */
export function labelsOf({ rule, labels, context }: Message): Record<string, string> {
  const given = Object.entries(labels).filter(([, value]) => value !== '');
  return { ...Object.fromEntries(given), alertname: rule, severity: context.severity };
}

export function annotationsOf({ status, value, context, links, why = [] }: Message): Record<string, string> {
  return {
    summary: context.summary,
    value: describeValue(value, context.unit),
    condition: describeCondition(context),
    ...(why.length > 0 && { why: why.join('\n') }),
    ...(links.runbook !== null && { runbook_url: links.runbook }),
    // Neither side has a word for "nobody knows": it goes on firing, and says why.
    ...(status === 'no_data' && { no_data: 'The data of this alert ended while it fired.' }),
  };
}

export const startsAt = ({ context, at }: Message): string =>
  context.firedAt ?? context.activeSince ?? at.toISOString();

/**
 * The payload of Alertmanager's webhooks, version 4: what understands Alertmanager understands this. `resolved` as a
 * whole only once every alert of the group is. The key of the delivery goes along as a header.
 */
export function toAlertmanagerForm(batch: Batch, externalUrl: string): object {
  const alerts = batch.entries.map(alertOf);
  const firing = batch.entries.some(({ message }) => message.status !== 'resolved');
  return {
    version: '4',
    groupKey: `{}:${JSON.stringify(batch.group)}`,
    truncatedAlerts: 0,
    status: firing ? 'firing' : 'resolved',
    receiver: batch.receiver,
    groupLabels: batch.group,
    commonLabels: common(batch.entries.map(({ message }) => labelsOf(message))),
    commonAnnotations: common(batch.entries.map(({ message }) => annotationsOf(message))),
    externalURL: externalUrl,
    alerts,
  };
}

function alertOf({ message }: Entry): object {
  const labels = labelsOf(message);
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    status: message.status === 'resolved' ? 'resolved' : 'firing',
    labels,
    annotations: annotationsOf(message),
    startsAt: startsAt(message),
    // Alertmanager's way to say that the end is not known.
    endsAt: message.status === 'resolved' ? message.at.toISOString() : '0001-01-01T00:00:00Z',
    generatorURL: message.links.alert,
    fingerprint: createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16),
  };
}

function common(sets: readonly Record<string, string>[]): Record<string, string> {
  const [first = {}, ...others] = sets;
  return Object.fromEntries(Object.entries(first).filter(([key, value]) => others.every((set) => set[key] === value)));
}
