import { readLatest, readWindow, type SignalValue } from '@vigil/store';
import type { DataSource } from 'typeorm';
import type { Query } from '@vigil/rules';

/**
 * Windows end this long before now, in seconds. A request becomes a row about a second after its end, so the last second
 * is not complete yet: a rate would read low in it, and two evaluations of one window would differ.
 */
export const SETTLE_SECONDS = 1;

export const windowEnd = (now: Date): Date => new Date(now.getTime() - SETTLE_SECONDS * 1000);

/** A signal, now: the latest reading of a gauge, or the value over the query's window. */
export function readSignal(store: DataSource, query: Query, now: Date): Promise<SignalValue[]> {
  const { signal, over, by, where: matchers, aggregate } = query;
  if (over === null) return readLatest(store, signal, now, by, matchers);
  const to = windowEnd(now);
  const from = new Date(to.getTime() - over * 1000);
  return readWindow(store, signal, { from, to, by, matchers, aggregate });
}
