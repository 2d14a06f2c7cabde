import { holds } from './condition.js';
import type { Reading, Rule } from './types.js';

/**
 * What a rule's readings are, from all that was read for it: its signal, the same at the time that it is compared with, and
 * the other signals, in the rule's order. Pure.
 */
export function combine(rule: Rule, [own = [], ...rest]: readonly (readonly Reading[])[]): Reading[] {
  const values = rule.comparedWith === null ? [...own] : ratios(rule, own, rest[0] ?? []);
  if (rule.also.length === 0) return values;
  const keyOf = ({ labels }: Reading) => JSON.stringify(rule.by.map((label) => labels[label]));
  const others = rest.slice(rule.comparedWith === null ? 0 : 1);
  const met = rule.also.map(
    (also, i) => new Set((others[i] ?? []).filter(({ value }) => holds(also, value)).map(keyOf)),
  );
  return values.map((reading) => ({ ...reading, also: met.every((keys) => keys.has(keyOf(reading))) }));
}

/**
 * Each value over what it was. What is counted and came no more has fallen to nothing; a mean of nothing is unknown. How much
 * a ratio rests on is what the earlier value rests on: the later one may be small because it fell.
 */
function ratios(rule: Rule, now: readonly Reading[], then: readonly Reading[]): Reading[] {
  const keyOf = ({ labels }: Reading) => JSON.stringify(rule.by.map((label) => labels[label]));
  const later = new Map(now.map((reading) => [keyOf(reading), reading.value]));
  return then.flatMap((reading) => {
    const value = later.get(keyOf(reading)) ?? (rule.signal.compute.kind === 'rate' ? 0 : undefined);
    return value === undefined || !(reading.value > 0) ? [] : [{ ...reading, value: value / reading.value }];
  });
}
