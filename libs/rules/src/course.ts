import type { Query, Reading } from './types.js';

/** What a signal said in one step: its value, and how many requests or readings that rests on. */
export interface StepPoint {
  /** Begin of the step. */
  time: Date;
  labels: Readonly<Record<string, string>>;
  value: number;
  samples: number;
}

/** A reading that is older counts as gone, in seconds; what had events is remembered for a day. As the store has it. */
const LOOKBACK_SECONDS = 120;
const MEMORY_SECONDS = 86_400;

interface Entry {
  /** Begin of its step, in milliseconds. */
  time: number;
  value: number;
  samples: number;
  /** What the value is a quotient of, over the samples; of a rate and of events what was counted. */
  sum: number;
}

/** One set of labels: what is to come, and what the window holds. */
interface Series {
  labels: Readonly<Record<string, string>>;
  entries: Entry[];
  /** The first entry in the window, and the first one beyond it. */
  first: number;
  next: number;
  sum: number;
  samples: number;
  /** When it last had a value that is not nothing, in milliseconds. */
  lastAt: number;
}

/**
 * How a window over a signal goes along, from the signal's steps: what the evaluator would have read at each moment.
 * @param step seconds
 */
export class Course {
  private readonly series = new Map<string, Series>();
  private readonly windowMs: number;

  constructor(
    private readonly query: Query,
    private readonly step: number,
  ) {
    this.windowMs = windowOf(query, step) * 1000;
  }

  /** How long before a moment it must have been fed from, in seconds. */
  get leadSeconds(): number {
    return this.query.signal.compute.kind === 'count' ? MEMORY_SECONDS : this.windowMs / 1000;
  }

  /** Points in the order of their time, after all that were fed before. */
  feed(points: readonly StepPoint[]): void {
    const { kind } = this.query.signal.compute;
    for (const { time, labels, value, samples } of points) {
      const key = JSON.stringify(this.query.by.map((label) => labels[label]));
      let series = this.series.get(key);
      if (!series)
        this.series.set(
          key,
          (series = { labels, entries: [], first: 0, next: 0, sum: 0, samples: 0, lastAt: Number.NEGATIVE_INFINITY }),
        );
      const sum = kind === 'count' ? value : nearlyWhole(value * (kind === 'rate' ? this.step : samples));
      series.entries.push({ time: time.getTime(), value, samples, sum });
    }
  }

  /** The readings at a moment; moments come in order. */
  at(now: number): Reading[] {
    const readings: Reading[] = [];
    for (const [key, series] of this.series) {
      this.slide(series, now);
      const value = this.valueOf(series, now);
      if (value !== undefined) readings.push({ labels: series.labels, value, samples: series.samples });
      else if (series.entries.length === 0 && series.lastAt < now - MEMORY_SECONDS * 1000) this.series.delete(key);
    }
    return readings;
  }

  private slide(series: Series, now: number): void {
    const { entries } = series;
    for (; series.next < entries.length && entries[series.next]!.time + this.step * 1000 <= now; series.next++) {
      const entry = entries[series.next]!;
      series.sum += entry.sum;
      series.samples += entry.samples;
      if (entry.value !== 0) series.lastAt = entry.time;
    }
    for (; series.first < series.next && entries[series.first]!.time < now - this.windowMs; series.first++) {
      series.sum -= entries[series.first]!.sum;
      series.samples -= entries[series.first]!.samples;
    }
    if (series.first < series.next) {
      if (series.first < 1000) return;
    } else {
      // Nothing is left of what rounding left.
      series.sum = 0;
      series.samples = 0;
    }
    entries.splice(0, series.first);
    series.next -= series.first;
    series.first = 0;
  }

  private valueOf({ entries, first, next, sum, samples, lastAt }: Series, now: number): number | undefined {
    const { signal, aggregate, over } = this.query;
    const { kind } = signal.compute;
    if (kind === 'count') {
      if (first < next) return sum;
      return lastAt >= now - MEMORY_SECONDS * 1000 ? 0 : undefined;
    }
    if (first === next) return undefined;
    const last = entries[next - 1]!.value;
    if (over === null) return last;
    if (aggregate === 'min' || aggregate === 'max') {
      let most = last;
      for (let i = first; i < next; i++)
        if (aggregate === 'max' ? entries[i]!.value > most : entries[i]!.value < most) most = entries[i]!.value;
      return most;
    }
    // The store has looked over the window.
    if (aggregate !== 'mean') return last;
    if (kind === 'rate') return sum / (this.windowMs / 1000);
    return samples > 0 ? sum / samples : undefined;
  }
}

/** How far back an entry may begin that the readings of a moment are made of, in seconds. */
function windowOf({ signal, aggregate, over }: Query, step: number): number {
  if (over === null) return Math.max(step, LOOKBACK_SECONDS);
  // Until just before the next one ends.
  if (isPercentile(aggregate)) return 2 * step - 0.001;
  return signal.compute.kind === 'age' ? step : Math.ceil(over / step) * step;
}

/** What can't be put together from steps: the store is asked over the whole window, step by step. */
export const isPercentile = (aggregate: Query['aggregate']): boolean => aggregate.startsWith('p');

/** A count that went through a quotient is the whole number that it was. */
const nearlyWhole = (n: number): number => (Math.abs(n - Math.round(n)) < 1e-6 ? Math.round(n) : n);
