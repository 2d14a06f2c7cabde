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

/** Tells of labels whether an alert with them can still be one of the rule, after the rule was changed. */
export function aboutOf({ by, where, levels }: Rule): (labels: Readonly<Record<string, string>>) => boolean {
  const fixed = new Map<string, string>(Object.entries(where));
  const names = new Set<string>([...by, ...fixed.keys(), ...(levels.length > 0 ? ['severity'] : [])]);
  const severities = new Set<string>(levels.map(({ severity }) => severity));
  return (labels) => {
    let count = 0;
    for (const label in labels) {
      if (!names.has(label)) return false;
      const wanted = fixed.get(label);
      if (wanted !== undefined && wanted !== labels[label]) return false;
      count++;
    }
    return count === names.size && (severities.size === 0 || severities.has(labels.severity!));
  };
}

/** `decide` for each threshold of a rule; `previous` are alerts that `aboutOf` holds of. */
export function decideLevels(
  rule: Rule,
  previous: readonly Alert[],
  readings: readonly Reading[],
  now: Date,
  options: DecideOptions,
): (Decision & { rule: LevelRule })[] {
  const levels = levelsOf(rule);
  if (levels.length === 1) return [{ rule: levels[0]!, ...decide(levels[0]!, previous, readings, now, options) }];
  const bySeverity = Map.groupBy(previous, ({ labels }) => labels.severity);
  return levels.map((level) => ({
    rule: level,
    ...decide(level, bySeverity.get(level.severity) ?? [], readings, now, options),
  }));
}
