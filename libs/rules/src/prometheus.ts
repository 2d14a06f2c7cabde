import { PROMETHEUS_LABELS, readsWindow, type Label, type Unit } from '@vigil/signals';
import { ruleDuration } from './duration.js';
import type { Format, TemplatePart } from './template.js';
import { levelsOf, type LevelRule } from './levels.js';
import type { Condition, Query, Rule } from './types.js';

export interface PrometheusRule {
  alert: string;
  expr: string;
  for?: string;
  keep_firing_for?: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}

export interface PrometheusRules {
  groups: { name: string; rules: PrometheusRule[] }[];
}

/** The same rules for a Prometheus that alerts by itself. A rule with several thresholds is one rule a threshold. */
export function toPrometheusRules(rules: readonly Rule[]): PrometheusRules {
  return { groups: [{ name: 'vigil', rules: rules.flatMap(levelsOf).flatMap(toPrometheus) }] };
}

function toPrometheus(rule: LevelRule): PrometheusRule[] {
  const common = {
    labels: { severity: rule.severity },
    annotations: { summary: rule.summary.map((part) => writePart(part, rule)).join(''), runbook: rule.action },
  };
  const fires: PrometheusRule = {
    alert: rule.name,
    expr: conditionOf(rule),
    ...(rule.for > 0 && { for: ruleDuration(rule.for) }),
    ...(rule.keepFiring > 0 && { keep_firing_for: ruleDuration(rule.keepFiring) }),
    ...common,
  };
  return rule.noData === 'alert' ? [fires, absenceOf(rule, common)] : [fires];
}

/** For signals that Prometheus reads over a window although we need none: as long as a reading counts as the latest. */
const LATEST_SECONDS = 120;

/** All of what must hold, as one expression whose value is that of the rule's own signal. */
function conditionOf(rule: Rule): string {
  const { comparedWith, minSamples, by } = rule;
  const parts = [compare(comparedWith === null ? value(rule) : ratio(rule, comparedWith), rule.condition)];
  if (minSamples > 0) {
    const samples = rule.signal.promqlSamples!(by, windowOf(rule), rule.where);
    parts.push(`${comparedWith === null ? samples : earlier(samples, comparedWith)} >= ${minSamples}`);
  }
  for (const also of rule.also) parts.push(compare(value(also), also.condition));
  if (parts.length === 1) return parts[0]!;
  return parts.map((part) => `(${part})`).join(` and on (${by.map((label) => PROMETHEUS_LABELS[label]).join(', ')}) `);
}

function compare(expression: string, condition: Condition): string {
  if (condition.kind !== 'outside')
    return `${expression} ${condition.kind === 'above' ? '>' : '<'} ${condition.threshold}`;
  return `${expression} < ${condition.low} or ${expression} > ${condition.high}`;
}

const windowOf = ({ over }: Query): string => ruleDuration(over ?? LATEST_SECONDS);

function value(query: Query): string {
  const { signal, by, over, where, aggregate } = query;
  const expression = signal.promql(by, windowOf(query), where, aggregate);
  // What reads the latest sample needs a subquery for a window.
  const isLatest = !readsWindow(signal) && aggregate === 'mean';
  return over !== null && isLatest ? `avg_over_time((${expression})[${ruleDuration(over)}:])` : expression;
}

const earlier = (expression: string, seconds: number): string =>
  `last_over_time((${expression})[1m:] offset ${ruleDuration(seconds)})`;

/** What is counted and came no more has fallen to nothing; a mean of nothing is unknown. */
function ratio(rule: Rule, seconds: number): string {
  const [now, then] = [value(rule), earlier(value(rule), seconds)];
  return `(${rule.signal.compute.kind === 'rate' ? `${now} or 0 * ${then}` : now}) / (${then} > 0)`;
}

/** What had a value within the hour and has none now. */
function absenceOf(rule: Rule, common: Pick<PrometheusRule, 'labels' | 'annotations'>): PrometheusRule {
  const known = value(rule);
  return {
    alert: rule.name,
    expr: `last_over_time((${known})[1h:]) unless ${known}`,
    ...(rule.noDataFor > 0 && { for: ruleDuration(rule.noDataFor) }),
    ...common,
    annotations: { ...common.annotations, summary: `No data: ${common.annotations.summary}` },
  };
}

/** Our template in Prometheus's; a label that the rule fixes is written out, as its series no longer carry it. */
function writePart(part: TemplatePart, rule: Rule): string {
  if (typeof part === 'string') return part;
  if ('value' in part) return writeValue(part.value, rule.unit);
  const label = part.label as Label;
  return rule.by.includes(label) ? `{{ $labels.${PROMETHEUS_LABELS[label]} }}` : (rule.where[label] ?? '');
}

const UNITS: Readonly<Record<Unit, string>> = {
  '1': '{{ $value | humanizePercentage }}',
  s: '{{ $value | humanizeDuration }}',
  By: '{{ $value | humanize1024 }}B',
  Cel: '{{ $value | humanize }} °C',
  W: '{{ $value | humanize }} W',
  Hz: '{{ $value | humanize }}Hz',
  '{request}': '{{ $value | humanize }} requests',
  '{request}/s': '{{ $value | humanize }} requests/s',
  'By/s': '{{ $value | humanize1024 }}B/s',
  '{token}/s': '{{ $value | humanize }} tokens/s',
  '{error}/s': '{{ $value | humanize }} errors/s',
  '{error}': '{{ $value | humanize }} errors',
  '{row}': '{{ $value | humanize }} rows',
  '{event}': '{{ $value | humanize }} events',
  '{gpu}': '{{ $value | humanize }} GPUs',
  '{process}': '{{ $value | humanize }} processes',
  '{state}': '{{ $value | humanize }}',
};

function writeValue(format: Format | null, unit: Unit): string {
  if (format === null) return UNITS[unit];
  return format === 'percent' ? UNITS['1'] : format === 'duration' ? UNITS.s : '{{ $value | humanize }}';
}
