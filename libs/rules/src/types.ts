import type { Label, Matchers, Signal } from '@vigil/signals';
import type { Template } from './template.js';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** `above` means greater than, `below` less than: a value exactly at the threshold does neither. */
export interface Condition {
  kind: 'above' | 'below';
  /** In the signal's unit. */
  threshold: number;
}

/** A rule that was read and found good. */
export interface Rule {
  name: string;
  /** Where it was read, as `alerts/gpu-memory-high.yaml`. */
  file: string;
  /** Whether it is evaluated; a rule that is not is only shown. */
  enabled: boolean;
  signal: Signal;
  condition: Condition;
  /** Length of the window in seconds; `null` reads a gauge's latest reading. */
  over: number | null;
  /** How long the condition must hold before the alert fires, in seconds. */
  for: number;
  /** One alert for each set of these labels. */
  by: readonly Label[];
  where: Matchers;
  severity: Severity;
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
  firedAt: Date | null;
  /** The latest value seen, in the signal's unit. */
  value: number | null;
  /** The beat that last saw a value. */
  seenAt: Date | null;
  evaluatedAt: Date;
}

/** A value of the rule's signal for one set of labels. */
export interface Reading {
  labels: Readonly<Record<string, string>>;
  value: number;
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
