import {
  aggregate,
  ENGINE_LABELS,
  EVENT_LABELS,
  GPU_LABELS,
  NODE_LABELS,
  PROMETHEUS_LABELS,
  REQUEST_LABELS,
  selector,
} from './labels.js';
import { quantileOf } from './compute.js';
import { REQUEST_METRICS } from './metrics.js';
import type {
  Aggregate,
  Computation,
  EngineGauge,
  GpuCounter,
  GpuGauge,
  Label,
  NodeGauge,
  RequestMeasure,
  RequestValue,
  Signal,
} from './types.js';

export type Named = Pick<Signal, 'id' | 'title' | 'titleZh' | 'unit' | 'description'>;

/** A series of a metric: its name (with `_sum` or `_count` for histograms) and fixed matchers. */
export interface Series {
  metric: string;
  where?: readonly string[];
}

const increase = (series: Series, window: string, matchers: Parameters<Signal['promql']>[2]): string =>
  `increase(${selector(series.metric, matchers, series.where)}[${window}])`;

/** One sum over another, over a window. */
export function quotient(
  layer: Signal['layer'],
  named: Named,
  numerator: [RequestMeasure, Series],
  denominator: [RequestMeasure, Series],
  distribution?: { of: RequestValue; histogram: Series },
): Signal {
  const count: NonNullable<Signal['promqlSamples']> = (by, window, matchers) =>
    aggregate('sum', by, increase(denominator[1], window, matchers));
  // Without the "or", a numerator that was never counted would read as "no data" instead of 0.
  const counted: Signal['promql'] = (by, window, matchers) =>
    `(${aggregate('sum', by, increase(numerator[1], window, matchers))} or 0 * ${count(by, window, matchers)})`;
  return {
    ...named,
    layer,
    instrument: 'gauge',
    labels: REQUEST_LABELS,
    compute: {
      kind: 'quotient',
      fact: 'request',
      numerator: numerator[0],
      denominator: denominator[0],
      ...(distribution && { of: distribution.of }),
    },
    metrics: [...new Set([numerator[1].metric, denominator[1].metric])],
    promqlSamples: count,
    promqlParts: (by, window) => ({
      numerator: counted(by, window),
      denominator: count(by, window),
      ...(distribution && { buckets: bucketRates(by, distribution.histogram, window) }),
    }),
    promql: (by, window, matchers, how = 'mean') => {
      if (distribution && how !== 'mean') return quantile(how, by, distribution.histogram, window, matchers);
      return `${counted(by, window, matchers)} / (${count(by, window, matchers)} > 0)`;
    },
  };
}

/** Of a histogram; between two bounds as Prometheus has it, and of the greatest value the bound above it. */
function quantile(
  how: Aggregate,
  by: readonly Label[],
  histogram: Series,
  window: string,
  matchers: Parameters<Signal['promql']>[2],
): string {
  return `histogram_quantile(${quantileOf(how) ?? 1}, ${bucketRates(by, histogram, window, matchers)})`;
}

function bucketRates(
  by: readonly Label[],
  { metric, where }: Series,
  window: string,
  matchers?: Parameters<Signal['promql']>[2],
): string {
  const labels = ['le', ...by.map((label) => PROMETHEUS_LABELS[label])].join(', ');
  return `sum by (${labels}) (rate(${selector(`${metric}_bucket`, matchers, where)}[${window}]))`;
}

/** A reading, or the least or greatest one of a window. */
function reading(metric: string, where?: readonly string[]): Signal['promql'] {
  return (by, window, matchers, how) => {
    const series = selector(metric, matchers, where);
    if (how === 'min' || how === 'max') return aggregate(how, by, `${how}_over_time(${series}[${window}])`);
    return aggregate('avg', by, series);
  };
}

/** Counted things a second, over a window. */
export function rate(layer: Signal['layer'], named: Named, of: RequestMeasure, series: Series): Signal {
  return {
    ...named,
    layer,
    instrument: 'counter',
    labels: REQUEST_LABELS,
    compute: { kind: 'rate', fact: 'request', of },
    metrics: [series.metric],
    // Whatever is counted, it rests on the requests that it came with.
    promqlSamples: (by, window, matchers) =>
      aggregate('sum', by, increase({ metric: REQUEST_METRICS.requests.name }, window, matchers)),
    promql: (by, window, matchers) =>
      aggregate('sum', by, `rate(${selector(series.metric, matchers, series.where)}[${window}])`),
  };
}

/** A reading of a GPU. */
export function gpuGauge(named: Named, of: GpuGauge, metric: string, where?: readonly string[]): Signal {
  return infrastructure(named, 'gauge', { kind: 'gauge', fact: 'gpu', of }, [metric], reading(metric, where));
}

/** What a GPU counts, a second. */
export function gpuRate(named: Named, of: GpuCounter, { metric, where }: Series): Signal {
  return infrastructure(named, 'counter', { kind: 'counter', fact: 'gpu', of }, [metric], (by, window, matchers) =>
    aggregate('sum', by, `rate(${selector(metric, matchers, where)}[${window}])`),
  );
}

/** A reading of a node. */
export function nodeGauge(named: Named, of: NodeGauge, metric: string, where?: readonly string[]): Signal {
  return infrastructure(named, 'gauge', { kind: 'gauge', fact: 'node', of }, [metric], reading(metric, where));
}

/** A rate that the node takes itself, and that Prometheus takes from the kernel's counts. */
export function nodeRate(named: Named, of: NodeGauge, { metric, where }: Series): Signal {
  const compute: Computation = { kind: 'gauge', fact: 'node', of, counted: true };
  return infrastructure(named, 'gauge', compute, [metric], (by, window, matchers) =>
    aggregate('avg', by, aggregate('sum', NODE_LABELS, `rate(${selector(metric, matchers, where)}[${window}])`)),
  );
}

/** What an engine tells of itself: of several, the mean. */
export function engineGauge(named: Named, of: EngineGauge, metric: string): Signal {
  const compute: Computation = { kind: 'gauge', fact: 'engine', of };
  return { ...infrastructure(named, 'gauge', compute, [metric], reading(metric), ENGINE_LABELS), layer: 'service' };
}

/** A rate that is taken when an engine is read, and that Prometheus takes from what it counts. */
export function engineRate(named: Named, of: EngineGauge, metric: string): Signal {
  const compute: Computation = { kind: 'gauge', fact: 'engine', of, counted: true };
  const promql: Signal['promql'] = (by, window, matchers) =>
    aggregate('avg', by, `rate(${selector(metric, matchers)}[${window}])`);
  return { ...infrastructure(named, 'gauge', compute, [metric], promql, ENGINE_LABELS), layer: 'service' };
}

/** Seconds since the time that a metric tells, for what told it within the last day. */
export function age(
  named: Named,
  labels: Signal['labels'],
  compute: Extract<Computation, { kind: 'age' }>,
  metric: string,
  where?: readonly string[],
): Signal {
  return infrastructure(
    named,
    'gauge',
    compute,
    [metric],
    // A collector whose clock is ahead is not silent for a negative time.
    (by, _window, matchers) =>
      `clamp_min(time() - ${aggregate('max', by, `max_over_time(${selector(metric, matchers, where)}[1d])`)}, 0)`,
    labels,
  );
}

/** XIDs in a window. */
export function xidCount(named: Named): Signal {
  const metric = 'vigil_gpu_events_total';
  return infrastructure(
    named,
    'counter',
    { kind: 'count', fact: 'event', of: 'xids' },
    [metric],
    (by, window, matchers) => {
      const events = selector(metric, matchers, ['kind="xid"']);
      // A series that was not there before the window began with its first event, which "increase" does not see; and one
      // whose collector is gone since then has still counted what it counted.
      const begun = `last_over_time(${events}[${window}]) unless ${events} offset ${window}`;
      return aggregate('sum', by, `(${begun}) or increase(${events}[${window}])`);
    },
    EVENT_LABELS,
  );
}

/** The greatest reading within `hours` less the latest. */
export function gpusMissing(named: Named, hours: number): Signal {
  const metric = 'vigil_gpu_count';
  return infrastructure(
    named,
    'gauge',
    { kind: 'missing', fact: 'node', of: 'gpu_count', overSeconds: hours * 3600 },
    [metric],
    (by, _window, matchers) => {
      const count = selector(metric, matchers);
      const most = aggregate('max', NODE_LABELS, `max_over_time(${count}[${hours}h])`);
      return aggregate('sum', by, `${most} - ${aggregate('max', NODE_LABELS, count)}`);
    },
  );
}

function infrastructure(
  named: Named,
  instrument: Signal['instrument'],
  compute: Computation,
  metrics: Signal['metrics'],
  promql: Signal['promql'],
  labels: Signal['labels'] = compute.fact === 'node' ? NODE_LABELS : GPU_LABELS,
): Signal {
  return { ...named, layer: 'infrastructure', instrument, labels, compute, metrics, promql };
}
