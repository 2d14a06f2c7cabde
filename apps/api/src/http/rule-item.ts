import { ALERT_STATES, type Rule } from '@vigil/rules';
import { silenceOf, type Silence } from '../notify/routing/silence.js';
import type { KnownRule, RuleBook } from '../rules/book.js';
import type { RuleStatus } from '../evaluate/evaluator.js';
import type { RuleItem } from './rule-dto.js';

/** How many alerts of a rule are in a state, and when they were last evaluated. */
export interface StateCount {
  rule: string;
  state: string;
  n: number;
  evaluated_at: Date;
}

/** Where this API serves a rule's runbook, or the address that the rule names. */
export function runbookPath(
  { runbooks }: Pick<RuleBook, 'runbooks'>,
  rule: Pick<Rule, 'name' | 'action'>,
): string | null {
  if (runbooks.has(rule.name)) return `/api/v1/rules/${encodeURIComponent(rule.name)}/runbook`;
  return /^https?:/.test(rule.action) ? rule.action : null;
}

/** The silence that holds back every alert of a rule, whatever its labels. */
function muteOf({ name, severity, levels }: Rule, silences: readonly Silence[], now: Date): RuleItem['silence'] {
  const whole = silences.filter(
    ({ match, unless }) =>
      Object.keys(unless).length === 0 && Object.keys(match).every((label) => label === 'rule' || label === 'severity'),
  );
  const severities = levels.length > 0 ? levels.map((level) => level.severity) : [severity];
  const found = severities.map((one) => silenceOf(whole, { rule: name, severity: one }, now));
  // Muted is what is muted at each of its severities; until the first of these silences ends.
  const [first] = found.toSorted((a, b) => (a?.endsAt.getTime() ?? 0) - (b?.endsAt.getTime() ?? 0));
  return first ? { id: first.id, endsAt: first.endsAt.toISOString(), reason: first.reason } : null;
}

export function toRuleItem(
  { rule, team, error }: KnownRule,
  book: Pick<RuleBook, 'runbooks'>,
  status: RuleStatus | undefined,
  own: readonly StateCount[],
  silences: readonly Silence[],
): RuleItem {
  const times = [status?.evaluatedAt, ...own.map((count) => count.evaluated_at)].filter((t) => t instanceof Date);
  const last = times.toSorted((a, b) => b.getTime() - a.getTime())[0];
  return {
    rule: rule.name,
    source: team ? 'api' : 'file',
    file: rule.file,
    enabled: rule.enabled,
    signal: rule.signal.id,
    aggregate: rule.aggregate,
    unit: rule.unit,
    condition: rule.condition,
    levels: [...rule.levels],
    over: rule.over,
    comparedWith: rule.comparedWith,
    and: rule.also.map(({ signal, aggregate, over, where, condition }) => ({
      signal: signal.id,
      aggregate,
      over,
      where: { ...where },
      condition,
    })),
    minSamples: rule.minSamples,
    for: rule.for,
    keepFiring: rule.keepFiring,
    noData: rule.noData,
    noDataFor: rule.noDataFor,
    by: [...rule.by],
    where: { ...rule.where },
    severity: rule.severity,
    action: rule.action,
    runbook: runbookPath(book, rule),
    author: team?.author ?? null,
    updatedAt: team?.updatedAt.toISOString() ?? null,
    silence: muteOf(rule, silences, new Date()),
    states: Object.fromEntries(ALERT_STATES.map((s) => [s, own.find((count) => count.state === s)?.n ?? 0])),
    lastEvaluation: last?.toISOString() ?? null,
    error: error ?? status?.error ?? null,
  };
}
