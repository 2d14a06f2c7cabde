import type { Condition, Rule } from './types.js';

export function holds({ condition }: Pick<Rule, 'condition'>, value: number): boolean {
  switch (condition.kind) {
    case 'above':
      return value > condition.threshold;
    case 'below':
      return value < condition.threshold;
    case 'outside':
      return value < condition.low || value > condition.high;
  }
}

/** The threshold that a value has crossed, or would cross next. */
export function thresholdOf(condition: Condition, value: number | null): number {
  if (condition.kind !== 'outside') return condition.threshold;
  const middle = (condition.low + condition.high) / 2;
  return value !== null && value < middle ? condition.low : condition.high;
}

/** `above 90 %`, `outside 20 °C to 80 °C`. */
export function describeThreshold(condition: Condition, format: (value: number) => string): string {
  if (condition.kind !== 'outside') return `${condition.kind} ${format(condition.threshold)}`;
  return `outside ${format(condition.low)} to ${format(condition.high)}`;
}
