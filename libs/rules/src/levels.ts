import { decide, type Decision, type DecideOptions } from './decide.js';
import type { Alert, Reading, Rule } from './types.js';

/** One threshold of a rule, as a rule of its own. */
export interface LevelRule extends Rule {
  /** What its alerts carry besides the signal's labels: their severity, where the rule has several. */
  mark: Readonly<Record<string, string>>;
}

/** A rule's thresholds as Prometheus has them: rules of one name that differ in their severity. */
export function levelsOf(rule: Rule): LevelRule[] {
  if (rule.levels.length === 0) return [{ ...rule, mark: {} }];
  return rule.levels.map(({ severity, condition }) => ({ ...rule, severity, condition, mark: { severity } }));
}

/** `decide` for each threshold of a rule. */
export function decideLevels(
  rule: Rule,
  previous: readonly Alert[],
  readings: readonly Reading[],
  now: Date,
  options: DecideOptions,
): (Decision & { rule: LevelRule })[] {
  const levels = levelsOf(rule);
  if (levels.length === 1) return [{ rule: levels[0]!, ...decide(levels[0]!, previous, readings, now, options) }];
  // Alerts of a threshold that the rule no longer has go with the first: they have no data any more.
  const indexOf = ({ labels }: Alert) =>
    Math.max(
      0,
      levels.findIndex((level) => level.severity === labels.severity),
    );
  const byLevel = Map.groupBy(previous, indexOf);
  return levels.map((level, i) => ({ rule: level, ...decide(level, byLevel.get(i) ?? [], readings, now, options) }));
}
