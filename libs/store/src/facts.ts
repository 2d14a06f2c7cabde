import type {
  Computation,
  EngineGauge,
  Fact,
  GpuCounter,
  GpuGauge,
  Label,
  NodeGauge,
  RequestMeasure,
  RequestValue,
} from '@vigil/signals';
import type { RecoveryAction } from './rows.js';

/** How one summed column of a roll-up is computed from a row, and how it is combined. */
export interface Measure {
  /** SQL over one row of the table. */
  sql: string;
  combine: 'sum' | 'max' | 'min';
}

/** A table of facts and its roll-up by minute. */
export interface FactTable {
  table: string;
  rollup: string;
  /** The column that places a row in time, and by which the table is partitioned. */
  time: string;
  /** Columns that the roll-up keeps apart, by label. */
  dimensions: Readonly<Partial<Record<Label, string>>>;
  /** SQL over a row of the table for those dimensions that are not its columns as they are. */
  derived?: Readonly<Record<string, string>>;
  measures: Readonly<Record<string, Measure>>;
}

const when = (condition: string): Measure => ({ sql: `(${condition})::int`, combine: 'sum' });
const total = (column: string): Measure => ({ sql: `coalesce(${column}, 0)`, combine: 'sum' });
const known = (column: string): Measure => when(`${column} IS NOT NULL`);

const REQUEST_MEASURES: Record<RequestMeasure, Measure> = {
  requests: { sql: '1', combine: 'sum' },
  errors: when(`outcome = 'error'`),
  rejections: when(`outcome = 'rejection'`),
  cancellations: when(`outcome = 'cancellation'`),
  latency_sum: total('response_latency'),
  latency_count: known('response_latency'),
  duration_sum: { sql: `CASE WHEN error_type IS NULL THEN duration ELSE 0 END`, combine: 'sum' },
  duration_count: when('error_type IS NULL'),
  first_token_sum: total('time_to_first_token'),
  first_token_count: known('time_to_first_token'),
  per_token_sum: total('time_per_output_token'),
  per_token_count: known('time_per_output_token'),
  queue_sum: total('queue_duration'),
  queue_count: known('queue_duration'),
  input_tokens: total('input_tokens'),
  output_tokens: total('output_tokens'),
  reasoning_tokens: total('reasoning_tokens'),
  answers: when(`outcome = 'ok'`),
  reasonings: known('unclosed_reasoning'),
  unclosed_reasonings: when('coalesce(unclosed_reasoning, false)'),
  empty_answers: when('coalesce(empty_answer, false)'),
  truncated: when('coalesce(truncated, false)'),
  repetition_sum: total('repetition'),
  repetition_count: known('repetition'),
  reasoning_share_sum: total('reasoning_share'),
  reasoning_share_count: known('reasoning_share'),
};

/** SQL over a request for what its distribution is asked for; null where the request has no such value. */
export const REQUEST_VALUES: Readonly<Record<RequestValue, string>> = {
  latency: 'response_latency',
  duration: 'CASE WHEN error_type IS NULL THEN duration END',
  first_token: 'time_to_first_token',
  per_token: 'time_per_output_token',
  repetition: 'repetition',
  reasoning_share: 'reasoning_share',
};

const RECOVERY_ACTIONS: readonly RecoveryAction[] = [
  'none',
  'gpu_reset',
  'node_reboot',
  'drain_p2p',
  'drain_and_reset',
];

/** 1 where the reason lowered the clocks, 0 where not. */
const throttled = (reason: string): string => `(throttle_reasons ? '${reason}')::int`;

const GPU_GAUGES: Record<GpuGauge, string> = {
  memory_used: 'memory_used',
  memory_total: 'memory_total',
  memory_ratio: '(memory_used::float8 / nullif(memory_total, 0))',
  utilization: 'utilization',
  memory_utilization: 'memory_utilization',
  temperature: 'temperature',
  memory_temperature: 'memory_temperature',
  temperature_margin: 'temperature_margin',
  power: 'power',
  power_limit: 'power_limit',
  sm_clock: 'sm_clock',
  memory_clock: 'memory_clock',
  ecc_corrected: 'ecc_corrected',
  ecc_uncorrected: 'ecc_uncorrected',
  remapped_corrected: 'remapped_corrected',
  remapped_uncorrected: 'remapped_uncorrected',
  remap_pending: 'remap_pending::int',
  remap_failed: 'remap_failed::int',
  recovery_action: `(array_position(ARRAY[${RECOVERY_ACTIONS.map((a) => `'${a}'`).join(', ')}], recovery_action) - 1)`,
  throttle_hw_thermal: throttled('hw_thermal_slowdown'),
  throttle_hw_power_brake: throttled('hw_power_brake_slowdown'),
  throttle_hw_slowdown: throttled('hw_slowdown'),
  throttle_sw_thermal: throttled('sw_thermal_slowdown'),
  throttle_sw_power_cap: throttled('sw_power_cap'),
  pcie_tx: 'pcie_tx',
  pcie_rx: 'pcie_rx',
  pcie_replays: 'pcie_replays',
  nvlink_errors: 'nvlink_errors',
};

/** Gauges whose greatest value of a minute is kept besides: the columns are there since the first version. */
const GPU_WITH_MAX: ReadonlySet<string> = new Set<GpuGauge>([
  'memory_used',
  'memory_total',
  'memory_ratio',
  'utilization',
  'memory_utilization',
  'temperature',
  'memory_temperature',
  'power',
  'power_limit',
]);

const rdma = (field: string): string =>
  `(SELECT sum((port->>'${field}')::float8) FROM jsonb_array_elements(rdma) AS port)`;

const NODE_GAUGES: Record<NodeGauge, string> = {
  cpu_ratio: 'cpu_ratio',
  load1: 'load1',
  memory_ratio: 'memory_ratio',
  memory_available: 'memory_available',
  volume_ratio: 'volume_ratio',
  disk_read: 'disk_read',
  disk_write: 'disk_write',
  network_receive: 'network_receive',
  network_transmit: 'network_transmit',
  network_errors: 'network_errors',
  rdma_receive: rdma('receive'),
  rdma_transmit: rdma('transmit'),
  gpu_count: 'gpu_count',
};

const ENGINE_GAUGES: Record<EngineGauge, string> = {
  running: 'running',
  waiting: 'waiting',
  kv_cache_ratio: 'kv_cache_ratio',
  preemption_rate: 'preemption_rate',
};

type Gauge = Extract<Computation, { kind: 'gauge' }>;

/** SQL of a gauge over one row of its table. */
export function gaugeSql(gauge: Gauge): string {
  if (gauge.fact === 'gpu') return GPU_GAUGES[gauge.of];
  return gauge.fact === 'node' ? NODE_GAUGES[gauge.of] : ENGINE_GAUGES[gauge.of];
}

const highest = (sql: string): Measure => ({ sql, combine: 'max' });

const gaugeMeasures = (
  gauges: Readonly<Record<string, string>>,
  withMax: ReadonlySet<string> = new Set(),
): Record<string, Measure> =>
  Object.fromEntries(
    Object.entries(gauges).flatMap(([name, sql]) => [
      [`${name}_sum`, total(sql)],
      [`${name}_count`, known(sql)],
      ...(withMax.has(name) ? [[`${name}_max`, highest(sql)]] : []),
    ]),
  );

/** What a device counts only ever grows, so a minute's highest count is its last one. */
const GPU_COUNTERS: Record<`${GpuCounter}_max`, Measure> = {
  nvlink_tx_max: highest('nvlink_tx'),
  nvlink_rx_max: highest('nvlink_rx'),
};

export const FACTS: Readonly<Record<Fact, FactTable>> = {
  request: {
    table: 'request',
    rollup: 'request_minute',
    time: 'ended_at',
    dimensions: { node: 'node', engine: 'engine', model: 'model', endpoint: 'endpoint', operation: 'operation' },
    measures: REQUEST_MEASURES,
  },
  gpu: {
    table: 'gpu_sample',
    rollup: 'gpu_minute',
    time: 'time',
    dimensions: { node: 'node', gpu: 'gpu', replay: 'replay' },
    measures: { ...gaugeMeasures(GPU_GAUGES, GPU_WITH_MAX), ...GPU_COUNTERS, last_at: highest('time') },
  },
  node: {
    table: 'node_sample',
    rollup: 'node_minute',
    time: 'time',
    dimensions: { node: 'node' },
    measures: {
      ...gaugeMeasures(NODE_GAUGES),
      gpu_count_max: highest('gpu_count'),
      gpu_count_min: { sql: 'gpu_count', combine: 'min' },
      gpu_read_at: highest('gpu_read_at'),
      last_at: highest('time'),
    },
  },
  engine: {
    table: 'engine_sample',
    rollup: 'engine_minute',
    time: 'time',
    dimensions: { node: 'node', server: 'server', model: 'model' },
    measures: gaugeMeasures(ENGINE_GAUGES),
  },
  event: {
    table: 'gpu_event',
    rollup: 'gpu_event_minute',
    time: 'time',
    dimensions: { node: 'node', gpu: 'gpu', replay: 'replay', class: 'class', code: 'code' },
    derived: { gpu: `coalesce(gpu, '')`, code: `coalesce(code::text, '')` },
    measures: { xids: when(`kind = 'xid'`) },
  },
};
