/** What an incident looks at: milliseconds, and the step in seconds. */
export interface IncidentWindow {
  from: number;
  baselineUntil: number;
  activeSince: number;
  to: number;
  step: number;
}

const STEPS = [2, 5, 10, 15, 30, 60, 120, 300, 600] as const;
/** Steps that are looked at, at the most. */
const POINTS = 90;
/** How long before the condition held it is looked for what moved: three times what the rule itself looks back. */
const LEAD = { times: 3, least: 180, most: 7200 };
/** Of an alert that has been active for longer, the beginning is left out. */
const LONGEST_SECONDS = 4 * 3600;

/**
 * From a while before the condition held until now; the first half of that while says what was normal. Pure.
 * @param over the rule's window, seconds; its value moves that much later than what it is the mean of
 * @param watchedSince since when anything is known, in milliseconds: Vigil may just have begun to watch, and what is known of
 * seconds must not be looked at in steps of minutes
 */
export function windowOf(
  rule: { over: number | null; for: number },
  activeSince: Date,
  now: Date,
  settleSeconds: number,
  watchedSince?: number,
): IncidentWindow {
  const over = rule.over ?? 0;
  const lead = Math.min(Math.max(LEAD.times * (over + rule.for), LEAD.least), LEAD.most);
  const end = now.getTime() - settleSeconds * 1000;
  const held = Math.max(activeSince.getTime(), end - LONGEST_SECONDS * 1000);
  const edge = Math.min(held, end) - over * 1000;
  const from = Math.max(edge - lead * 1000, Math.min(watchedSince ?? -Infinity, edge));
  const step = STEPS.find((seconds) => (end - from) / 1000 / seconds <= POINTS) ?? STEPS.at(-1)!;
  const to = Math.floor(end / (step * 1000)) * step * 1000;
  return { from, baselineUntil: from + (edge - from) / 2, activeSince: held, to, step };
}
