import { findSignal } from '@vigil/signals';
import type { Rule } from '@vigil/rules';
import { readSeries } from '@vigil/store';
import type { DataSource } from 'typeorm';
import type { Message, Trend } from './message.js';

/** Reads how the signal of an alert went lately; undefined where that can't be told. Never throws. */
export type TrendReader = (message: Message, now: Date) => Promise<Trend | undefined>;

const STEPS = 24;
const SHORTEST_STEP = 60;

/** Steps of whole minutes, that twice the time that the rule looks back is seen, and a quarter of an hour at least. */
export function stepOf({ over, for: hold }: { over: number | null; for: number }): number {
  const seconds = Math.max(2 * (hold + (over ?? 0)), 900);
  return Math.max(SHORTEST_STEP, Math.ceil(seconds / STEPS / 60) * 60);
}

/** Reads from the roll-ups by minute. A message without it is as good as one with it: nothing waits for it long. */
export function trendReader(store: DataSource, rules: () => readonly Rule[], waitMs = 500): TrendReader {
  return async (message, now) => {
    const signal = findSignal(message.context.signal);
    if (!signal) return undefined;
    const step = stepOf(message.context);
    const rule = rules().find(({ name }) => name === message.rule);
    const labels = Object.entries(message.labels).filter(([name]) =>
      (signal.labels as readonly string[]).includes(name),
    );
    // What is compared with an earlier time has no such series.
    if (rule && rule.comparedWith !== null) return undefined;
    const matchers = { ...rule?.where, ...Object.fromEntries(labels) };
    const from = new Date(now.getTime() - step * STEPS * 1000);
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<undefined>((done) => {
        timer = setTimeout(done, waitMs, undefined);
      });
      const points = await Promise.race([readSeries(store, signal, { from, to: now, by: [], matchers, step }), late]);
      if (!points || points.length < 3) return undefined;
      const sorted = points.toSorted((a, b) => a.time.getTime() - b.time.getTime());
      const seconds = (sorted.at(-1)!.time.getTime() - sorted[0]!.time.getTime()) / 1000;
      return { values: sorted.map(({ value }) => value), seconds };
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  };
}
