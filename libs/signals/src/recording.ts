import { SIGNALS } from './catalogue.js';
import { quantileOf } from './compute.js';
import { aggregate, PROMETHEUS_LABELS, selector } from './labels.js';
import type { Aggregate, Label, Matchers, Signal } from './types.js';

/** One series that Prometheus keeps ready. */
export interface RecordingRule {
  record: string;
  expr: string;
}

/** Of requests: endpoint and operation are left out, so that thirty days stay few series. */
const REQUEST_BY: readonly Label[] = ['node', 'engine', 'model'];

/** Readings that are looked at over weeks. */
const READINGS: ReadonlySet<string> = new Set([
  'gpu.memory.ratio',
  'gpu.utilization',
  'gpu.temperature',
  'gpu.power',
  'node.cpu.ratio',
  'node.memory.ratio',
  'node.volume.ratio',
]);

const WINDOW = '5m';

/** Series that make long ranges fast: every signal of requests, and the readings that are looked at over weeks. */
export const recordingRules = (): RecordingRule[] => SIGNALS.flatMap(rulesOf);

function rulesOf(signal: Signal): RecordingRule[] {
  const names = namesOf(signal);
  if (signal.promqlParts) {
    const { numerator, denominator, buckets } = signal.promqlParts(REQUEST_BY, WINDOW);
    return [
      { record: names.numerator, expr: numerator },
      { record: names.denominator, expr: denominator },
      ...(buckets === undefined ? [] : [{ record: names.buckets, expr: buckets }]),
    ];
  }
  if (signal.compute.fact === 'request') return [{ record: names.rate, expr: signal.promql(REQUEST_BY, WINDOW) }];
  return READINGS.has(signal.id) ? [{ record: names.mean, expr: signal.promql(signal.labels, WINDOW) }] : [];
}

/**
 * The signal over a window of hours or days, read from what was recorded. Counts are of overlapping windows of five
 * minutes, so the first and the last five minutes weigh less.
 * @throws Error where the signal is not recorded, or not by these labels
 */
export function recorded(
  signal: Signal,
  by: readonly Label[],
  window: string,
  matchers: Matchers = {},
  how: Aggregate = 'mean',
): string {
  const kept = signal.compute.fact === 'request' ? REQUEST_BY : signal.labels;
  const unknown = by.find((label) => !kept.includes(label));
  if (rulesOf(signal).length === 0 || unknown !== undefined)
    throw new Error(`The signal "${signal.id}" is not recorded${unknown === undefined ? '' : ` by "${unknown}"`}.`);
  const names = namesOf(signal);
  const over = (fold: string, name: string) => `${fold}_over_time(${selector(name, matchers)}[${window}])`;
  if (!signal.promqlParts)
    return signal.compute.fact === 'request'
      ? aggregate('sum', by, over('avg', names.rate))
      : aggregate('avg', by, over(how === 'max' ? 'max' : 'avg', names.mean));
  if (how === 'mean')
    return `${aggregate('sum', by, over('sum', names.numerator))} / (${aggregate('sum', by, over('sum', names.denominator))} > 0)`;
  const labels = ['le', ...by.map((label) => PROMETHEUS_LABELS[label])].join(', ');
  return `histogram_quantile(${quantileOf(how) ?? 1}, sum by (${labels}) (${over('avg', names.buckets)}))`;
}

/** `level:metric:operation`, as Prometheus names what it records. */
function namesOf({ id }: Signal) {
  const name = `vigil:${id.replaceAll('.', '_')}`;
  return {
    numerator: `${name}:numerator_increase${WINDOW}`,
    denominator: `${name}:denominator_increase${WINDOW}`,
    buckets: `${name}:bucket_rate${WINDOW}`,
    rate: `${name}:rate${WINDOW}`,
    mean: `${name}:mean`,
  };
}
