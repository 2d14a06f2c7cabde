import { readLatest, readWindow, type SignalValue } from '@vigil/store';
import type { DataSource } from 'typeorm';
import type { Rule } from '@vigil/rules';

/**
 * Windows end this long before now, in seconds. A request becomes a row about a second after its end, so the last second
 * is not complete yet: a rate would read low in it, and two evaluations of one window would differ.
 */
export const SETTLE_SECONDS = 1;

export const windowEnd = (now: Date): Date => new Date(now.getTime() - SETTLE_SECONDS * 1000);

/** The rule's signal, now: the latest reading of a gauge, or the value over the rule's window. */
export function readSignal(store: DataSource, rule: Rule, now: Date): Promise<SignalValue[]> {
  if (rule.over === null) return readLatest(store, rule.signal, now, rule.by, rule.where);
  const to = windowEnd(now);
  const from = new Date(to.getTime() - rule.over * 1000);
  return readWindow(store, rule.signal, { from, to, by: rule.by, matchers: rule.where });
}
