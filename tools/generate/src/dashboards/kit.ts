import { findSignal, type Aggregate, type Label, type Signal } from '@vigil/signals';
import { stepsOf, UNITS, type Limits } from './meaning.js';
import { chart, stat, type ChartOptions, type Placed, type StatOptions } from './panels.js';
import { recordedQuery, signalQuery, type Query } from './queries.js';
import { say, titleOf, type Language, type Words } from './words.js';

/** What panels on signals have in common on one dashboard. */
export class Kit {
  constructor(
    readonly language: Language,
    private readonly limits: Limits,
    private readonly filters: readonly Label[],
  ) {}

  readonly say = (en: string, zh: string): string => say(this.language, [en, zh]);

  signal(id: string): Signal {
    const signal = findSignal(id);
    if (!signal) throw new Error(`There is no signal "${id}": a dashboard names it.`);
    return signal;
  }

  /** A signal over time, with the lines of the rules on it. */
  signalChart(id: string, by: readonly Label[], size: Size, more: Partial<ChartOptions> = {}): Placed {
    const signal = this.signal(id);
    return chart({
      ...this.about(signal),
      queries: [signalQuery(signal, { by, filters: this.filters })],
      ...size,
      ...more,
    });
  }

  /** Its mean and percentiles over everything that the variables leave. */
  spreadChart(id: string, size: Size, hows: readonly Aggregate[] = ['mean', 'p50', 'p95', 'p99']): Placed {
    const signal = this.signal(id);
    const queries = hows.map((how) => signalQuery(signal, { how, filters: this.filters, legend: how }));
    return chart({ ...this.about(signal), queries, ...size });
  }

  /** Its present value, over all that the variables leave, in the colour of the rule that would fire. */
  signalStat(id: string, size: Size, more: Partial<StatOptions> = {}): Placed {
    const signal = this.signal(id);
    const { softMax: _, max: __, ...about } = this.about(signal);
    return stat({ ...about, queries: [this.now(signal)], ...size, ...more });
  }

  now(signal: Signal): Query {
    return signalQuery(signal, { filters: this.filters, window: '5m' });
  }

  /** Thirty days from what Prometheus recorded, whatever range is looked at. */
  longChart(id: string, by: readonly Label[], size: Size, hows: readonly Aggregate[] = ['mean']): Placed {
    const signal = this.signal(id);
    const queries = hows.map((how) => {
      const legend = hows.length > 1 ? { legend: how } : {};
      return recordedQuery(signal, { by, how, filters: this.filters, window: '$__interval', ...legend });
    });
    const about = this.about(signal);
    const description = `${about.description}\n\n${RECORDED}`;
    return chart({ ...about, description, queries, range: '30d', interval: '1h', ...size });
  }

  recorded(signal: Signal, window: string, how?: Aggregate): string {
    return recordedQuery(signal, { filters: this.filters, window, ...(how && { how }) }).expr;
  }

  private about(signal: Signal): Pick<ChartOptions, 'title' | 'description' | 'unit' | 'steps' | 'max' | 'softMax'> {
    const limits = this.limits.get(signal.id) ?? [];
    const isShare = signal.unit === '1';
    return {
      title: say(this.language, titleOf(signal)),
      description: `${signal.description}\n\nSignal: ${signal.id}`,
      unit: UNITS[signal.unit],
      steps: stepsOf(limits, signal.unit),
      // A GPU can be full; that few requests fail must be seen as well.
      ...(isShare && signal.layer === 'infrastructure' && { max: 1 }),
      ...(isShare && signal.layer !== 'infrastructure' && { softMax: 0.1 }),
    };
  }

  /** Rows and panels of one size. */
  charts(ids: readonly string[], by: readonly Label[], size: Size): Placed[] {
    return ids.map((id) => this.signalChart(id, by, size));
  }
}

export interface Size {
  w: number;
  h: number;
}

export const RECORDED =
  'Read from the recording rules in alerts/prometheus.recording.rules.yaml: without them this panel is empty.';

export const GPU: readonly Label[] = ['node', 'gpu', 'replay'];
export const LONG: Words = ['The last thirty days', '最近三十天'];
