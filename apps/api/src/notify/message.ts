import { formatDuration, formatValue, type Unit } from '@vigil/signals';
import {
  describeThreshold,
  isFlapping,
  summaryOf,
  type AlertState,
  type Rule,
  type Severity,
  type Transition,
} from '@vigil/rules';

/** What is kept with a transition: the rule as it was, so that the history stays true when the rule is changed. */
export interface TransitionContext {
  severity: Severity;
  signal: string;
  title: string;
  unit: Unit;
  condition: Rule['condition'];
  /** Seconds. */
  over: number | null;
  for: number;
  summary: string;
  action: string;
  file: string;
  /** Since when the condition held, ISO 8601. */
  activeSince: string | null;
  firedAt: string | null;
  replay: boolean;
  /** Set where it fired so often of late that its end is told only once it is calm. */
  flapping?: true;
  /** Set where the alert ended because its rule is gone. */
  ruleRemoved?: true;
  /** Set where it ended because its rule was changed and is no longer about it. */
  ruleChanged?: true;
}

/** One thing to tell people, in no channel's form yet. */
export interface Message {
  status: 'firing' | 'resolved' | 'no_data';
  rule: string;
  labels: Record<string, string>;
  value: number | null;
  at: Date;
  context: TransitionContext;
  /** The first things to do, from the runbook. */
  steps: readonly string[];
  links: { alert: string; runbook: string | null };
  /** The sentences of its incident: what moved first, how it stands, which requests. */
  why?: readonly string[];
  /** How the signal went before, oldest first. */
  trend?: Trend;
}

export interface Trend {
  values: readonly number[];
  /** Time from the first to the last. */
  seconds: number;
}

/** A message as it is kept in the database. */
export type StoredMessage = Omit<Message, 'at'> & { at: string };

export const revive = (stored: StoredMessage): Message => ({ ...stored, at: new Date(stored.at) });

export function contextOf(rule: Rule, { alert, activeSince }: Transition): TransitionContext {
  return {
    severity: rule.severity,
    signal: rule.signal.id,
    title:
      rule.comparedWith === null
        ? rule.signal.title
        : `${rule.signal.title} against ${formatDuration(rule.comparedWith)} earlier`,
    unit: rule.unit,
    condition: rule.condition,
    over: rule.over,
    for: rule.for,
    summary: summaryOf(rule, alert),
    action: rule.action,
    file: rule.file,
    activeSince: activeSince?.toISOString() ?? null,
    firedAt: alert.firedAt?.toISOString() ?? null,
    replay: alert.labels.replay === 'true',
    ...(isFlapping(alert, alert.evaluatedAt) && { flapping: true as const }),
  };
}

/** `above 90 % for 10 min`, `above 5 % over 5 min`. */
export function describeCondition({ condition, unit, over, for: hold }: TransitionContext): string {
  const parts = [describeThreshold(condition, (value) => formatValue(value, unit))];
  if (over !== null) parts.push(`over ${formatDuration(over)}`);
  if (hold > 0) parts.push(`for ${formatDuration(hold)}`);
  return parts.join(' ');
}

/** `95 %`, or a dash where there is none. */
export const describeValue = (value: number | null, unit: Unit): string =>
  value === null ? '–' : formatValue(value, unit);

/** `2026-03-01 10:00:05 UTC`. */
export const describeTime = (time: Date | string): string =>
  `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** Seconds between the begin of the condition and the transition. */
export function lasted({ at, context }: Pick<Message, 'at' | 'context'>): number | null {
  const since = context.activeSince ?? context.firedAt;
  return since === null ? null : Math.max(0, (at.getTime() - Date.parse(since)) / 1000);
}

/** Whether a transition to this state is one of those that people can be told of. */
export const isStatus = (state: AlertState): state is Message['status'] =>
  state === 'firing' || state === 'resolved' || state === 'no_data';
