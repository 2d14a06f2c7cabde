import { createHash } from 'node:crypto';
import { measuresAbsence } from '@vigil/signals';
import { holds } from './condition.js';
import type { Alert, AlertState, Reading, Rule, Transition } from './types.js';

/** How long a label set without data is remembered, in seconds; one that was firing when its data ended, for longer. */
export const FORGET_SECONDS = 3600;
export const FORGET_UNRESOLVED_SECONDS = 24 * 3600;

/** An alert that fires so often within so many seconds is flapping: it is over once it was calm for a while. */
export const FLAPPING_FIRINGS = 4;
export const FLAPPING_SECONDS = 3600;
export const CALM_SECONDS = 600;

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

/** `late`: there are no data, and it is too early to make anything of that. */
type Observation = 'holds' | 'clear' | 'none' | 'late';

/** What a rule's readings mean, given where it stood at the last beat. Pure: the same input gives the same answer. */
export function decide(
  rule: Rule & { mark?: Readonly<Record<string, string>> },
  previous: readonly Alert[],
  readings: readonly Reading[],
  now: Date,
  options: DecideOptions,
): Decision {
  const known = new Map(previous.map((alert) => [alert.fingerprint, alert]));
  const decision: Decision = { alerts: [], transitions: [], forgotten: [] };
  const read = new Set<string>();
  for (const reading of readings) {
    if (!Number.isFinite(reading.value)) continue;
    if (!options.absenceCounts && measuresAbsence(rule.signal) && holds(rule, reading.value)) continue;
    const labels = { ...rule.where, ...reading.labels, ...rule.mark };
    const fingerprint = fingerprintOf(labels);
    read.add(fingerprint);
    advance(rule, known.get(fingerprint) ?? unseen(fingerprint, labels, now), reading, now, options, decision);
  }
  for (const alert of previous) {
    if (read.has(alert.fingerprint)) continue;
    if (!options.absenceCounts)
      decision.alerts.push({ ...watched(alert, now, options.maxGapSeconds), evaluatedAt: now });
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

/** Whether people were told that it fires and not yet that it is over. */
export const isUnresolved = (alert: Pick<Alert, 'state' | 'activeSince'>): boolean =>
  alert.state === 'firing' || (alert.state === 'no_data' && alert.activeSince !== null);

/** Whether it fired so often of late that its end is told only once it is calm. */
export const isFlapping = (alert: Pick<Alert, 'firings'>, now: Date): boolean =>
  recent(alert.firings, now).length >= FLAPPING_FIRINGS;

function advance(
  rule: Rule,
  given: Alert,
  reading: Reading | null,
  now: Date,
  options: DecideOptions,
  decision: Decision,
): void {
  const before = watched(given, now, options.maxGapSeconds);
  const absentSince = reading === null ? (before.absentSince ?? now) : null;
  const observation = observe(rule, before, reading, secondsFrom(absentSince, now));
  if (observation === 'late') {
    decision.alerts.push({ ...before, absentSince, evaluatedAt: now });
    return;
  }
  const isAbsent = reading === null && observation === 'holds';
  const activeSince = before.activeSince ?? (isAbsent ? absentSince : now);
  const longEnough = isAbsent || secondsFrom(activeSince, now) >= rule.for;
  const clearSince = observation === 'clear' && isUnresolved(before) ? (before.clearSince ?? now) : null;
  const isKept = clearSince !== null && secondsFrom(clearSince, now) < keepSeconds(rule, before, now);
  const state = nextState(before, observation, longEnough, isKept);
  const changed = state !== before.state;
  const isTold = state === 'firing' && !isUnresolved(before);
  const isHeld = observation === 'holds' || isKept || (observation === 'none' && isUnresolved(before));
  const alert: Alert = {
    ...before,
    state,
    since: changed ? now : before.since,
    activeSince: isHeld ? activeSince : null,
    clearSince: isKept ? clearSince : null,
    absentSince,
    firedAt: isTold ? now : before.firedAt,
    firings: isTold ? [...recent(before.firings, now), now].slice(-FLAPPING_FIRINGS) : before.firings,
    value: reading?.value ?? (isAbsent ? null : before.value),
    seenAt: reading === null ? before.seenAt : now,
    evaluatedAt: now,
  };
  decision.alerts.push(alert);
  if (!changed) return;
  const notify = isTold || ((state === 'resolved' || state === 'no_data') && isUnresolved(before));
  const since = alert.activeSince ?? before.activeSince;
  decision.transitions.push({ from: before.state, to: state, at: now, alert, activeSince: since, notify });
}

/** What a beat saw of one set of labels. */
function observe(rule: Rule, before: Alert, reading: Reading | null, absentSeconds: number): Observation {
  if (reading !== null) {
    const enough = reading.samples === undefined || reading.samples >= rule.minSamples;
    return enough && reading.also !== false && holds(rule, reading.value) ? 'holds' : 'clear';
  }
  if (absentSeconds < rule.noDataFor) return 'late';
  if (rule.noData === 'alert') return 'holds';
  // What fires is over without data; afterwards nothing is known of it.
  return rule.noData === 'ok' && isUnresolved(before) ? 'clear' : 'none';
}

/** The transition table. What comes back firing was never over, and is not told twice. */
function nextState(before: Alert, observation: Observation, longEnough: boolean, isKept: boolean): AlertState {
  switch (observation) {
    case 'clear':
      if (isKept) return 'firing';
      return isUnresolved(before) || before.state === 'resolved' ? 'resolved' : 'inactive';
    case 'holds':
      return isUnresolved(before) || longEnough ? 'firing' : 'pending';
    default:
      return 'no_data';
  }
}

const keepSeconds = (rule: Rule, before: Alert, now: Date): number =>
  Math.max(rule.keepFiring, isFlapping(before, now) ? CALM_SECONDS : 0);

/** The alert with its clocks moved on by the time in which nobody watched. */
function watched(alert: Alert, now: Date, maxGapSeconds: number): Alert {
  const gap = now.getTime() - alert.evaluatedAt.getTime();
  if (gap >= 0 && gap <= maxGapSeconds * 1000) return alert;
  const move = (time: Date | null): Date | null => time && new Date(time.getTime() + gap);
  return {
    ...alert,
    activeSince: move(alert.activeSince),
    clearSince: move(alert.clearSince),
    absentSince: move(alert.absentSince),
  };
}

/** Of times that are to come (the clock jumped back) nothing is known. */
const recent = (times: readonly Date[], now: Date): Date[] =>
  times.filter((time) => time <= now && secondsFrom(time, now) < FLAPPING_SECONDS);

const secondsFrom = (time: Date | null, now: Date): number =>
  time === null ? 0 : (now.getTime() - time.getTime()) / 1000;

function isForgotten(alert: Alert, now: Date): boolean {
  const limit = isUnresolved(alert) ? FORGET_UNRESOLVED_SECONDS : FORGET_SECONDS;
  const isOut = alert.state === 'no_data' || alert.state === 'firing';
  return isOut && secondsFrom(alert.seenAt ?? alert.since, now) > limit;
}

const unseen = (fingerprint: string, labels: Record<string, string>, now: Date): Alert => ({
  fingerprint,
  labels,
  state: 'inactive',
  since: now,
  activeSince: null,
  clearSince: null,
  absentSince: null,
  firedAt: null,
  firings: [],
  value: null,
  seenAt: null,
  evaluatedAt: now,
});
