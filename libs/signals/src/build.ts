import { aggregate, GPU_LABELS, REQUEST_LABELS, selector } from './labels.js';
import type { Computation, GpuGauge, RequestMeasure, Signal } from './types.js';

type Named = Pick<Signal, 'id' | 'title' | 'titleZh' | 'unit' | 'description'>;

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
): Signal {
  return {
    ...named,
    layer,
    instrument: 'gauge',
    labels: REQUEST_LABELS,
    compute: { kind: 'quotient', fact: 'request', numerator: numerator[0], denominator: denominator[0] },
    metrics: [...new Set([numerator[1].metric, denominator[1].metric])],
    promql: (by, window, matchers) => {
      const over = aggregate('sum', by, increase(denominator[1], window, matchers));
      // Without the "or", a numerator that was never counted would read as "no data" instead of 0.
      return `(${aggregate('sum', by, increase(numerator[1], window, matchers))} or 0 * ${over}) / (${over} > 0)`;
    },
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
    promql: (by, window, matchers) =>
      aggregate('sum', by, `rate(${selector(series.metric, matchers, series.where)}[${window}])`),
  };
}

/** A reading of a GPU. */
export function gpuGauge(named: Named, of: GpuGauge, metric: string, where?: readonly string[]): Signal {
  const compute: Computation = { kind: 'gauge', fact: 'gpu', of };
  return {
    ...named,
    layer: 'infrastructure',
    instrument: 'gauge',
    labels: GPU_LABELS,
    compute,
    metrics: [metric],
    promql: (by, _window, matchers) => aggregate('avg', by, selector(metric, matchers, where)),
  };
}
