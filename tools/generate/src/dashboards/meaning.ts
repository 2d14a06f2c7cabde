import { levelsOf, type Condition, type Rule, type Severity } from '@vigil/rules';
import type { Unit } from '@vigil/signals';
import { ThresholdsConfigBuilder, ThresholdsMode, type Threshold } from '@grafana/grafana-foundation-sdk/dashboard';

/** Grafana's names of our units. */
export const UNITS: Readonly<Record<Unit, string>> = {
  '1': 'percentunit',
  s: 's',
  By: 'bytes',
  Cel: 'celsius',
  W: 'watt',
  Hz: 'hertz',
  'By/s': 'Bps',
  '{request}': 'count:requests',
  '{request}/s': 'reqps',
  '{token}/s': 'count:tokens/s',
  '{error}/s': 'count:errors/s',
  '{error}': 'count:errors',
  '{row}': 'count:rows',
  '{event}': 'count:events',
  '{gpu}': 'count:GPUs',
  '{process}': 'count:processes',
  '{state}': 'none',
};

/** A colour says the same on every dashboard; each can be told apart on a light and on a dark ground. */
export const COLOURS = {
  good: 'green',
  warning: 'orange',
  bad: 'red',
  /** Neither good nor bad. */
  neutral: 'blue',
  /** There is nothing to say. */
  nothing: 'gray',
} as const;

/** Series that mean the same wherever they stand, by the name that their legend has. */
export const SERIES_COLOURS: Readonly<Record<string, string>> = {
  ok: 'green',
  error: 'red',
  rejection: 'orange',
  cancellation: 'blue',
  input: 'light-blue',
  output: 'blue',
  reasoning: 'purple',
  mean: 'blue',
  p50: 'light-blue',
  p95: 'purple',
  p99: 'dark-purple',
  running: 'blue',
  waiting: 'orange',
  firing: 'red',
  pending: 'orange',
  no_data: 'purple',
  inactive: 'green',
  resolved: 'green',
  sent: 'green',
  retry: 'orange',
  dead: 'red',
  critical: 'red',
  warning: 'orange',
  info: 'blue',
};

const SEVERITY_COLOURS: Readonly<Record<Severity, string>> = {
  info: COLOURS.neutral,
  warning: COLOURS.warning,
  critical: COLOURS.bad,
};

/** Where a rule draws its line. */
export interface Limit {
  condition: Condition;
  severity: Severity;
}

/**
 * The lines of the rules, by signal: of those that look at the signal's own value over minutes. A line of a percentile, of
 * last week's value or of a mean of hours would lie on another curve than the one that is drawn.
 */
export type Limits = ReadonlyMap<string, readonly Limit[]>;

const MINUTES = 15 * 60;

export function limitsOf(rules: readonly Rule[]): Limits {
  const drawn = rules.filter(
    ({ comparedWith, aggregate, over }) => comparedWith === null && aggregate === 'mean' && (over ?? 0) <= MINUTES,
  );
  const levels = drawn.flatMap(levelsOf).map(({ signal, condition, severity }) => ({ signal, condition, severity }));
  return Map.groupBy(levels, ({ signal }) => signal.id);
}

/** Steps of colour from below to above. Of what is counted, more than none begins with one. */
export function stepsOf(limits: readonly Limit[], unit: Unit): Threshold[] {
  const steps: Threshold[] = [{ value: null, color: COLOURS.good }];
  const whole = /^\{(error|row|event|gpu|state)\}$/.test(unit);
  for (const { condition, severity } of limits) {
    const color = SEVERITY_COLOURS[severity];
    const above =
      condition.kind === 'outside' ? condition.high : condition.kind === 'above' ? condition.threshold : null;
    const below =
      condition.kind === 'outside' ? condition.low : condition.kind === 'below' ? condition.threshold : null;
    if (above !== null) steps.push({ value: whole && above === 0 ? 1 : above, color });
    if (below !== null) {
      steps[0] = { value: null, color };
      steps.push({ value: below, color: COLOURS.good });
    }
  }
  return steps.toSorted((a, b) => (a.value ?? -Infinity) - (b.value ?? -Infinity));
}

export const thresholds = (steps: Threshold[]): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);

/** One colour, whatever the value. */
export const plain = (color: string = COLOURS.neutral): Threshold[] => [{ value: null, color }];
