/** Which of the three layers a signal belongs to. */
export type Layer = 'infrastructure' | 'service' | 'conversation';

/**
 * UCUM units that signals use: ratio, seconds, bytes, degrees Celsius, watts, hertz, and things counted, some of them a
 * second. `{state}` is a number that stands for a state; the signal's description says which.
 */
export type Unit =
  | '1'
  | 's'
  | 'By'
  | 'By/s'
  | 'Cel'
  | 'W'
  | 'Hz'
  | '{request}'
  | '{request}/s'
  | '{token}/s'
  | '{error}'
  | '{error}/s'
  | '{row}'
  | '{event}'
  | '{gpu}'
  | '{process}'
  | '{state}';

/**
 * The facts that the store keeps: one row a request, a GPU and sample, a node and sample, an engine, model and sample, an
 * event of a GPU.
 */
export type Fact = 'request' | 'gpu' | 'node' | 'engine' | 'event';

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
  | 'queue_sum'
  | 'queue_count'
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

/** Gauges read from a GPU. What each is, is said in `libs/store`, `facts.ts`. */
export type GpuGauge =
  | 'memory_used'
  | 'memory_total'
  | 'memory_ratio'
  | 'utilization'
  | 'memory_utilization'
  | 'temperature'
  | 'memory_temperature'
  | 'temperature_margin'
  | 'power'
  | 'power_limit'
  | 'sm_clock'
  | 'memory_clock'
  | 'ecc_corrected'
  | 'ecc_uncorrected'
  | 'remapped_corrected'
  | 'remapped_uncorrected'
  | 'remap_pending'
  | 'remap_failed'
  | 'recovery_action'
  | 'throttle_hw_thermal'
  | 'throttle_hw_power_brake'
  | 'throttle_hw_slowdown'
  | 'throttle_sw_thermal'
  | 'throttle_sw_power_cap'
  | 'pcie_tx'
  | 'pcie_rx'
  | 'pcie_replays'
  | 'nvlink_errors';

/** What a GPU counts from the load of its driver on. */
export type GpuCounter = 'nvlink_tx' | 'nvlink_rx';

/** Gauges read from a node. */
export type NodeGauge =
  | 'cpu_ratio'
  | 'load1'
  | 'memory_ratio'
  | 'memory_available'
  | 'volume_ratio'
  | 'disk_read'
  | 'disk_write'
  | 'network_receive'
  | 'network_transmit'
  | 'network_errors'
  | 'rdma_receive'
  | 'rdma_transmit'
  | 'gpu_count';

/** Gauges that engines tell of themselves. */
export type EngineGauge = 'running' | 'waiting' | 'kv_cache_ratio' | 'preemption_rate';

/** What is known of each single request. What each is, is said in `libs/store`, `facts.ts`. */
export type RequestValue = 'latency' | 'duration' | 'first_token' | 'per_token' | 'repetition' | 'reasoning_share';

/** How the readings of a window become one value. */
export const AGGREGATES = ['mean', 'min', 'max', 'p50', 'p90', 'p95', 'p99'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

/** How a signal is computed from the store. */
export type Computation =
  /**
   * Sum of one measure over the sum of another; no value where the second is zero. Where it is the mean of a value that
   * every request has, `of` names that value: its distribution can be asked for, too.
   */
  | { kind: 'quotient'; fact: 'request'; numerator: RequestMeasure; denominator: RequestMeasure; of?: RequestValue }
  /** Sum of a measure over the window's length in seconds. */
  | { kind: 'rate'; fact: 'request'; of: RequestMeasure }
  /** A reading: its mean over the window, or the latest one where no window is asked for. */
  | { kind: 'gauge'; fact: 'gpu'; of: GpuGauge }
  /** `counted`: a rate that the node itself took between two readings; Prometheus has the count, and needs a window. */
  | { kind: 'gauge'; fact: 'node'; of: NodeGauge; counted?: true }
  | { kind: 'gauge'; fact: 'engine'; of: EngineGauge; counted?: true }
  /** What a device's own count grew by a second; a count that fell began anew. */
  | { kind: 'counter'; fact: 'gpu'; of: GpuCounter }
  /**
   * Seconds since the latest row (`sample`), or since the GPU reading that the latest row tells of (`gpu_reading`). It
   * grows when data end, for a day after the last row; so it has a value exactly when other signals have none.
   */
  | { kind: 'age'; fact: 'gpu' | 'node'; of: 'sample' | 'gpu_reading' }
  /**
   * Events in the window. What had events within the last day and none in the window counts 0, as long as its node
   * reports: an alert on it ends because nothing more happened, not because nobody looks.
   */
  | { kind: 'count'; fact: 'event'; of: 'xids' }
  /** The greatest reading of the last `overSeconds` less the latest. */
  | { kind: 'missing'; fact: 'node'; of: 'gpu_count'; overSeconds: number };

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
  /**
   * The same value in PromQL, by the given labels, over a window such as `5m`; see `readsWindow`. With an aggregate of
   * `aggregatesOf`, that of the window's readings.
   */
  promql: (by: readonly Label[], window: string, matchers?: Matchers, aggregate?: Aggregate) => string;
  /** How many requests the value rests on, in PromQL; absent where it rests on none. */
  promqlSamples?: (by: readonly Label[], window: string, matchers?: Matchers) => string;
  /** What a quotient is made of, in PromQL: parts add up over time, where quotients do not. */
  promqlParts?: (by: readonly Label[], window: string) => Parts;
}

/** Two sums, and where the distribution is known its buckets a second. */
export interface Parts {
  numerator: string;
  denominator: string;
  buckets?: string;
}

/** `server` is an engine by the name that ENGINE_METRICS gives it, `engine` what sort of engine answered a request. */
export type Label =
  'node' | 'gpu' | 'replay' | 'model' | 'engine' | 'server' | 'endpoint' | 'operation' | 'class' | 'code';

/** Wanted values of labels. */
export type Matchers = Readonly<Partial<Record<Label, string>>>;
