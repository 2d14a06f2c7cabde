import { createHash } from 'node:crypto';
import { measuresAbsence } from '@vigil/signals';
import type { Alert, AlertState, Reading, Rule, Transition } from './types.js';

/** How long a label set without data is remembered, in seconds; one that was firing when its data ended, for longer. */
export const FORGET_SECONDS = 3600;
export const FORGET_UNRESOLVED_SECONDS = 24 * 3600;

export interface DecideOptions {
  /**
   * The time between two beats counts towards `for` up to this many seconds. Beyond it (a stop, an outage, a jump of the
   * clock in either direction) nobody saw the condition hold, and the clock of `for` stands still.
   */
  maxGapSeconds: number;
  /**
   * False for a while after a start or an outage: data that are missing may only not be there yet, so nothing is
   * concluded from their absence, nor from an age that is too great.
   */
  absenceCounts: boolean;
}

export interface Decision {
  /** Every label set that is known after this beat. */
  alerts: Alert[];
  transitions: Transition[];
  /** Fingerprints of label sets that are to be dropped. */
  forgotten: string[];
}

type Observation = 'holds' | 'clear' | 'none';

/** What a rule's readings mean, given where it stood at the last beat. Pure: the same input gives the same answer. */
export function decide(
  rule: Rule,
  previous: readonly Alert[],
  readings: readonly Reading[],
  now: Date,
  options: DecideOptions,
): Decision {
  const known = new Map(previous.map((alert) => [alert.fingerprint, alert]));
  const decision: Decision = { alerts: [], transitions: [], forgotten: [] };
  const read = new Set<string>();
  for (const { labels: given, value } of readings) {
    if (!Number.isFinite(value)) continue;
    if (!options.absenceCounts && measuresAbsence(rule.signal) && holds(rule, value)) continue;
    const labels = { ...rule.where, ...given };
    const fingerprint = fingerprintOf(labels);
    read.add(fingerprint);
    advance(rule, known.get(fingerprint) ?? unseen(fingerprint, labels, now), value, now, options, decision);
  }
  for (const alert of previous) {
    if (read.has(alert.fingerprint)) continue;
    if (!options.absenceCounts) decision.alerts.push({ ...alert, evaluatedAt: now });
    else if (isForgotten(alert, now)) decision.forgotten.push(alert.fingerprint);
    else advance(rule, alert, null, now, options, decision);
  }
  return decision;
}

/** A label set in a form that is the same for the same labels in any order, and short enough for an index. */
export function fingerprintOf(labels: Readonly<Record<string, string>>): string {
  const canonical = JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return canonical.length <= 400 ? canonical : `sha256:${createHash('sha256').update(canonical).digest('hex')}`;
}

export function holds({ condition }: Pick<Rule, 'condition'>, value: number): boolean {
  return condition.kind === 'above' ? value > condition.threshold : value < condition.threshold;
}

/** Whether people were told that it fires and not yet that it is over. */
export const isUnresolved = (alert: Pick<Alert, 'state' | 'activeSince'>): boolean =>
  alert.state === 'firing' || (alert.state === 'no_data' && alert.activeSince !== null);

function advance(
  rule: Rule,
  before: Alert,
  value: number | null,
  now: Date,
  options: DecideOptions,
  decision: Decision,
): void {
  const observation: Observation = value === null ? 'none' : holds(rule, value) ? 'holds' : 'clear';
  const held = heldSince(before, now, options.maxGapSeconds);
  const longEnough = now.getTime() - (held ?? now).getTime() >= rule.for * 1000;
  const state = nextState(before, observation, longEnough);
  const kept = observation === 'none' && !isUnresolved(before) ? null : held;
  const changed = state !== before.state;
  const alert: Alert = {
    ...before,
    state,
    since: changed ? now : before.since,
    activeSince: observation === 'holds' ? (held ?? now) : observation === 'clear' ? null : kept,
    firedAt: state === 'firing' && !isUnresolved(before) ? now : before.firedAt,
    value: value ?? before.value,
    seenAt: value === null ? before.seenAt : now,
    evaluatedAt: now,
  };
  decision.alerts.push(alert);
  if (!changed) return;
  const activeSince = alert.activeSince ?? held;
  decision.transitions.push({
    from: before.state,
    to: state,
    at: now,
    alert,
    activeSince,
    notify: isTold(before, state),
  });
}

/** The transition table. */
function nextState(before: Alert, observation: Observation, longEnough: boolean): AlertState {
  switch (observation) {
    case 'none':
      return 'no_data';
    case 'clear':
      return isUnresolved(before) || before.state === 'resolved' ? 'resolved' : 'inactive';
    case 'holds':
      return isUnresolved(before) || longEnough ? 'firing' : 'pending';
  }
}

/** Firing, the end of its data, and its end; what comes back firing was never over and is not told twice. */
function isTold(before: Alert, to: AlertState): boolean {
  if (to === 'firing') return !isUnresolved(before);
  return (to === 'resolved' || to === 'no_data') && isUnresolved(before);
}

/** Since when the condition has been seen to hold, moved on by the time in which nobody watched. */
function heldSince(before: Alert, now: Date, maxGapSeconds: number): Date | null {
  if (before.activeSince === null) return null;
  const gap = now.getTime() - before.evaluatedAt.getTime();
  const watched = gap >= 0 && gap <= maxGapSeconds * 1000;
  return watched ? before.activeSince : new Date(before.activeSince.getTime() + gap);
}

function isForgotten(alert: Alert, now: Date): boolean {
  const limit = isUnresolved(alert) ? FORGET_UNRESOLVED_SECONDS : FORGET_SECONDS;
  return alert.state === 'no_data' && now.getTime() - (alert.seenAt ?? alert.since).getTime() > limit * 1000;
}

const unseen = (fingerprint: string, labels: Record<string, string>, now: Date): Alert => ({
  fingerprint,
  labels,
  state: 'inactive',
  since: now,
  activeSince: null,
  firedAt: null,
  value: null,
  seenAt: null,
  evaluatedAt: now,
});
