import type { Aggregate, Label, Matchers, Signal, Unit } from '@vigil/signals';
import type { Template } from './template.js';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What the end of a signal's data means. */
export const NO_DATA = ['keep', 'ok', 'alert'] as const;
export type NoData = (typeof NO_DATA)[number];

/**
 * `above` means greater than, `below` less than, `outside` less than the low bound or greater than the high one: a value
 * exactly at a threshold does none of them. In the rule's unit.
 */
export type Condition = { kind: 'above' | 'below'; threshold: number } | { kind: 'outside'; low: number; high: number };

/** What is read of a signal: one value for each set of the labels `by`. */
export interface Query {
  signal: Signal;
  /** What becomes of the readings in the window. */
  aggregate: Aggregate;
  /** Length of the window in seconds; `null` reads a gauge's latest reading. */
  over: number | null;
  by: readonly Label[];
  where: Matchers;
}

/** Another signal whose condition must hold as well, for the same labels. */
export interface Also extends Query {
  condition: Condition;
}

export interface Level {
  severity: Severity;
  condition: Condition;
}

/** A rule that was read and found good. One alert for each set of the labels `by`. */
export interface Rule extends Query {
  name: string;
  /** Where it was read, as `alerts/gpu-memory-high.yaml`. */
  file: string;
  /** Whether it is evaluated; a rule that is not is only shown. */
  enabled: boolean;
  /** Unit of its values: the signal's, or that of a ratio where it is compared with an earlier time. */
  unit: Unit;
  /** Of the most severe level, where it has several. */
  condition: Condition;
  severity: Severity;
  /** Its thresholds, the least severe first; empty where it has one. */
  levels: readonly Level[];
  /** The value is divided by what it was so many seconds earlier; `null` leaves it as it is. */
  comparedWith: number | null;
  also: readonly Also[];
  /** The condition does not hold where the value rests on fewer requests. */
  minSamples: number;
  /** How long the condition must hold before the alert fires, in seconds. */
  for: number;
  /** How long the condition must be gone before a firing alert is over, in seconds. */
  keepFiring: number;
  noData: NoData;
  /** How long data must be missing before that means anything, in seconds. */
  noDataFor: number;
  summary: Template;
  /** The runbook: a path such as `docs/runbooks/gpu-memory-high.md`, or an http(s) address. */
  action: string;
}

export const ALERT_STATES = ['inactive', 'pending', 'firing', 'resolved', 'no_data'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** Where a rule stands for one set of labels, from one beat to the next. */
export interface Alert {
  fingerprint: string;
  labels: Record<string, string>;
  state: AlertState;
  /** When it entered this state. */
  since: Date;
  /**
   * Since when the condition has been seen to hold; `null` while it does not. It is kept when the data of a firing alert
   * end: that is what tells a `no_data` that still has to be resolved from one that does not matter.
   */
  activeSince: Date | null;
  /** Since when a firing alert's condition has been gone; `null` while it holds. */
  clearSince: Date | null;
  /** Since when there have been no data; `null` while there are. */
  absentSince: Date | null;
  firedAt: Date | null;
  /** When it fired within the last hour, oldest first: what fires again and again is flapping. */
  firings: readonly Date[];
  /** The latest value seen, in the rule's unit. */
  value: number | null;
  /** The beat that last saw a value. */
  seenAt: Date | null;
  evaluatedAt: Date;
}

/** A value of the rule's signal for one set of labels. */
export interface Reading {
  labels: Readonly<Record<string, string>>;
  value: number;
  /** How many requests it rests on; absent where that is not counted. */
  samples?: number;
  /** False where another condition of the rule (`and`) does not hold for these labels. */
  also?: boolean;
}

export interface Transition {
  from: AlertState;
  to: AlertState;
  at: Date;
  /** The alert as it is after the transition. */
  alert: Alert;
  /** Since when the condition held, also where it no longer does. */
  activeSince: Date | null;
  /** Whether people are told. */
  notify: boolean;
}
