/** Which of the three layers a signal belongs to. */
export type Layer = 'infrastructure' | 'service' | 'conversation';

/** UCUM units that signals use: ratio, seconds, bytes, degrees Celsius, watts, hertz, and counts a second. */
export type Unit = '1' | 's' | 'By' | 'Cel' | 'W' | 'Hz' | '{request}/s' | '{token}/s';

/** The facts that the store keeps: one row a request, one row a GPU and sample. */
export type Fact = 'request' | 'gpu';

/** Sums over requests, kept by minute. What each counts is said in `libs/store`, `facts.ts`. */
export type RequestMeasure =
  | 'requests'
  | 'errors'
  | 'rejections'
  | 'cancellations'
  | 'latency_sum'
  | 'latency_count'
  | 'duration_sum'
  | 'duration_count'
  | 'first_token_sum'
  | 'first_token_count'
  | 'per_token_sum'
  | 'per_token_count'
  | 'input_tokens'
  | 'output_tokens'
  | 'reasoning_tokens'
  | 'answers'
  | 'reasonings'
  | 'unclosed_reasonings'
  | 'empty_answers'
  | 'truncated'
  | 'repetition_sum'
  | 'repetition_count'
  | 'reasoning_share_sum'
  | 'reasoning_share_count';

/** Gauges read from a GPU. */
export type GpuGauge =
  | 'memory_used'
  | 'memory_total'
  | 'memory_ratio'
  | 'utilization'
  | 'memory_utilization'
  | 'temperature'
  | 'memory_temperature'
  | 'power'
  | 'power_limit';

/** How a signal is computed from the store over a window. */
export type Computation =
  /** Sum of one measure over the sum of another; no value where the second is zero. */
  | { kind: 'quotient'; fact: 'request'; numerator: RequestMeasure; denominator: RequestMeasure }
  /** Sum of a measure over the window's length in seconds. */
  | { kind: 'rate'; fact: 'request'; of: RequestMeasure }
  /** A reading: its mean over the window, or the latest one where no window is asked for. */
  | { kind: 'gauge'; fact: 'gpu'; of: GpuGauge };

/** One thing that Vigil measures. */
export interface Signal {
  /** Dotted, lower case: `gpu.memory.ratio`. */
  id: string;
  layer: Layer;
  title: string;
  titleZh: string;
  unit: Unit;
  instrument: 'gauge' | 'counter' | 'histogram';
  description: string;
  /** Labels that it can be grouped and filtered by. */
  labels: readonly Label[];
  compute: Computation;
  /** The metrics behind it, as our processes emit them. */
  metrics: readonly string[];
  /** The same value in PromQL, by the given labels, over a window such as `5m` (gauges read the latest sample). */
  promql: (by: readonly Label[], window: string, matchers?: Matchers) => string;
}

export type Label = 'node' | 'gpu' | 'replay' | 'model' | 'engine' | 'endpoint' | 'operation';

/** Wanted values of labels. */
export type Matchers = Readonly<Partial<Record<Label, string>>>;
