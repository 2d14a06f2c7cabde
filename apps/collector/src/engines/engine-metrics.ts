import { Counter, Gauge, type Metric, type Registry } from 'prom-client';
import { MEASURES, TABLE_VERSION, type Measure } from './aliases.js';
import type { EngineReading, HistogramValue } from './read.js';
import { FAILURES, type Scrape } from './scrape.js';

type Labels = Record<string, string>;
interface Sample {
  labels: Labels;
  value: number;
  metricName?: string;
}

/** What was last heard of an engine. */
interface Known {
  up: boolean;
  /** undefined while it is silent: then its series end. */
  reading: EngineReading | undefined;
  /** Seconds since 1970; undefined before the first good reading. */
  lastAt: number | undefined;
  durationSeconds: number;
}

/** Puts engines' metrics at `/metrics` under engine-neutral names, each with the node and the engine's name. */
export class EngineMetrics {
  private readonly known = new Map<string, Known>();
  private readonly failures: Counter<'node' | 'engine' | 'reason'>;

  constructor(
    registry: Registry,
    private readonly node: string,
  ) {
    this.failures = new Counter({
      name: 'vigil_engine_scrape_failures_total',
      help: "Readings of an engine's metrics that failed, by reason.",
      labelNames: ['node', 'engine', 'reason'],
      registers: [registry],
    });
    const byMetric = Map.groupBy(MEASURES, ({ metric }) => metric);
    for (const [name, measures] of byMetric)
      registry.registerMetric(passedOn(name, measures[0]!.help, measures[0]!.type, () => this.samples(name, measures)));
    this.watch(registry);
  }

  /** An engine that will be asked; its failures begin at 0. */
  add(engine: string): void {
    this.known.set(engine, { up: false, reading: undefined, lastAt: undefined, durationSeconds: 0 });
    for (const reason of FAILURES) this.failures.inc({ node: this.node, engine, reason }, 0);
  }

  /** Each reading replaces the one before it whole, so an engine that fell silent leaves no series behind. */
  record(engine: string, scrape: Scrape, durationSeconds: number, now: Date): void {
    if (!scrape.ok) this.failures.inc({ node: this.node, engine, reason: scrape.reason });
    this.known.set(engine, {
      up: scrape.ok,
      reading: scrape.ok ? scrape.reading : undefined,
      lastAt: scrape.ok ? now.getTime() / 1000 : this.known.get(engine)?.lastAt,
      durationSeconds,
    });
  }

  private watch(registry: Registry): void {
    const gauge = (
      name: string,
      help: string,
      labelNames: string[],
      read: (known: Known) => (readonly [Labels, number])[],
    ) => {
      const { node, known } = this;
      return new Gauge({
        name,
        help,
        labelNames: ['node', 'engine', ...labelNames],
        registers: [registry],
        collect() {
          this.reset();
          for (const [engine, state] of known)
            for (const [labels, value] of read(state)) this.set({ node, engine, ...labels }, value);
        },
      });
    };
    gauge('vigil_engine_up', "1 when the latest reading of the engine's metrics was good, else 0.", [], ({ up }) => [
      [{}, Number(up)],
    ]);
    gauge(
      'vigil_engine_last_scrape_timestamp_seconds',
      "When the engine's metrics were last read well, in seconds since 1970.",
      [],
      ({ lastAt }) => (lastAt === undefined ? [] : [[{}, lastAt]]),
    );
    gauge(
      'vigil_engine_scrape_duration_seconds',
      "What the latest reading of the engine's metrics took, a failed one too.",
      [],
      ({ durationSeconds }) => [[{}, durationSeconds]],
    );
    gauge(
      'vigil_engine_unreadable_lines',
      "Lines of the engine's metrics that could not be read the last time.",
      [],
      ({ reading }) => (reading ? [[{}, reading.unreadable]] : []),
    );
    gauge(
      'vigil_engine_measures_missing',
      'Measures that engines of this kind were seen to tell, and this one does not: a version that is not known yet.',
      ['kind'],
      ({ reading }) => (reading ? [[{ kind: reading.kind }, reading.missing.length]] : []),
    );
    gauge(
      'vigil_engine_alias_info',
      "Always 1; the labels say under which of the engine's names each measure was read, by which version of the table, and whether the name was guessed.",
      ['kind', 'measure', 'alias', 'guessed', 'table'],
      ({ reading }) =>
        (reading?.measured ?? []).map(({ measure, alias, guessed }) => [
          { kind: reading!.kind, measure: measure.id, alias, guessed: String(guessed), table: String(TABLE_VERSION) },
          1,
        ]),
    );
  }

  private samples(name: string, measures: readonly Measure[]): Sample[] {
    const samples: Sample[] = [];
    for (const [engine, { reading }] of this.known)
      for (const { measure, values } of reading?.measured ?? []) {
        if (!measures.includes(measure)) continue;
        for (const { model, value } of values) {
          const labels = { node: this.node, engine, gen_ai_request_model: model, ...measure.labels };
          if (typeof value === 'number') samples.push({ labels, value });
          else samples.push(...histogramSamples(name, labels, value));
        }
      }
    return samples;
  }
}

function histogramSamples(name: string, labels: Labels, { buckets, sum, count }: HistogramValue): Sample[] {
  const bounds = [...buckets].toSorted(([a], [b]) => boundOf(a) - boundOf(b));
  return [
    ...bounds.map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

const boundOf = (le: string): number => (/inf/i.test(le) ? Infinity : Number(le));

/**
 * A metric whose values another process has counted. prom-client's own counters and histograms can't be set, only
 * counted up, and a registry asks no more of a metric than this.
 */
function passedOn(name: string, help: string, type: Measure['type'], read: () => Sample[]): Metric {
  return {
    name,
    help,
    type,
    aggregator: 'sum',
    get: async () => ({ name, help, type, aggregator: 'sum', values: read() }),
    reset: () => undefined,
  } as unknown as Metric;
}
