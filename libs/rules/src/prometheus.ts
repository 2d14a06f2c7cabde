import { PROMETHEUS_LABELS, readsWindow, type Label, type Unit } from '@vigil/signals';
import { ruleDuration } from './duration.js';
import type { Format, TemplatePart } from './template.js';
import type { Rule } from './types.js';

export interface PrometheusRule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}

export interface PrometheusRules {
  groups: { name: string; rules: PrometheusRule[] }[];
}

/** The same rules for a Prometheus that alerts by itself. */
export function toPrometheusRules(rules: readonly Rule[]): PrometheusRules {
  return { groups: [{ name: 'vigil', rules: rules.map(toPrometheusRule) }] };
}

function toPrometheusRule(rule: Rule): PrometheusRule {
  const { condition } = rule;
  return {
    alert: rule.name,
    expr: `${expression(rule)} ${condition.kind === 'above' ? '>' : '<'} ${condition.threshold}`,
    ...(rule.for > 0 && { for: ruleDuration(rule.for) }),
    labels: { severity: rule.severity },
    annotations: { summary: rule.summary.map((part) => writePart(part, rule)).join(''), runbook: rule.action },
  };
}

/** For signals that Prometheus reads over a window although we need none: as long as a reading counts as the latest. */
const LATEST_SECONDS = 120;

function expression({ signal, by, over, where }: Rule): string {
  const value = signal.promql(by, ruleDuration(over ?? LATEST_SECONDS), where);
  // What reads the latest sample needs a subquery for a window.
  return over !== null && !readsWindow(signal) ? `avg_over_time((${value})[${ruleDuration(over)}:])` : value;
}

/** Our template in Prometheus's; a label that the rule fixes is written out, as its series no longer carry it. */
function writePart(part: TemplatePart, rule: Rule): string {
  if (typeof part === 'string') return part;
  if ('value' in part) return writeValue(part.value, rule.signal.unit);
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
