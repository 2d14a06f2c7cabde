import type { Fact, GpuGauge, Label, RequestMeasure } from '@vigil/signals';

/** How one summed column of a roll-up is computed from a row, and how it is combined. */
export interface Measure {
  /** SQL over one row of the table. */
  sql: string;
  combine: 'sum' | 'max';
}

/** A table of facts and its roll-up by minute. */
export interface FactTable {
  table: string;
  rollup: string;
  /** The column that places a row in time, and by which the table is partitioned. */
  time: string;
  /** Columns that the roll-up keeps apart, by label. */
  dimensions: Readonly<Partial<Record<Label, string>>>;
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

const GAUGES: Record<GpuGauge, string> = {
  memory_used: 'memory_used',
  memory_total: 'memory_total',
  memory_ratio: '(memory_used::float8 / nullif(memory_total, 0))',
  utilization: 'utilization',
  memory_utilization: 'memory_utilization',
  temperature: 'temperature',
  memory_temperature: 'memory_temperature',
  power: 'power',
  power_limit: 'power_limit',
};

/** SQL of a gauge over one row of `gpu_sample`. */
export const gaugeSql = (gauge: GpuGauge): string => GAUGES[gauge];

const GPU_MEASURES: Record<string, Measure> = Object.fromEntries(
  Object.entries(GAUGES).flatMap(([name, sql]) => [
    [`${name}_sum`, total(sql)],
    [`${name}_count`, known(sql)],
    [`${name}_max`, { sql, combine: 'max' } satisfies Measure],
  ]),
);

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
    measures: GPU_MEASURES,
  },
};
