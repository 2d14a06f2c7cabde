import type { DataSource } from 'typeorm';
import { FACTS } from './facts.js';
import { transaction } from './transaction.js';
import { ensurePartitions, isMissingPartition } from './partitions.js';
import type { GpuSampleRow, RequestRow } from './rows.js';

type ColumnType = 'text' | 'timestamptz' | 'int' | 'float8' | 'boolean' | 'jsonb';
type Columns<R> = { [K in keyof R]-?: [column: string, type: ColumnType] };

const REQUEST_COLUMNS: Columns<RequestRow> = {
  traceId: ['trace_id', 'text'],
  spanId: ['span_id', 'text'],
  startedAt: ['started_at', 'timestamptz'],
  endedAt: ['ended_at', 'timestamptz'],
  node: ['node', 'text'],
  engine: ['engine', 'text'],
  model: ['model', 'text'],
  endpoint: ['endpoint', 'text'],
  operation: ['operation', 'text'],
  requestModel: ['request_model', 'text'],
  responseModel: ['response_model', 'text'],
  responseId: ['response_id', 'text'],
  conversationId: ['conversation_id', 'text'],
  service: ['service', 'text'],
  stream: ['stream', 'boolean'],
  outcome: ['outcome', 'text'],
  statusCode: ['status_code', 'int'],
  errorType: ['error_type', 'text'],
  finishReason: ['finish_reason', 'text'],
  duration: ['duration', 'float8'],
  responseLatency: ['response_latency', 'float8'],
  timeToFirstToken: ['time_to_first_token', 'float8'],
  timePerOutputToken: ['time_per_output_token', 'float8'],
  queueDuration: ['queue_duration', 'float8'],
  inputTokens: ['input_tokens', 'int'],
  outputTokens: ['output_tokens', 'int'],
  reasoningTokens: ['reasoning_tokens', 'int'],
  unclosedReasoning: ['unclosed_reasoning', 'boolean'],
  emptyAnswer: ['empty_answer', 'boolean'],
  truncated: ['truncated', 'boolean'],
  repetition: ['repetition', 'float8'],
  reasoningRepetition: ['reasoning_repetition', 'float8'],
  reasoningShare: ['reasoning_share', 'float8'],
};

const GPU_COLUMNS: Columns<GpuSampleRow> = {
  time: ['time', 'timestamptz'],
  node: ['node', 'text'],
  gpu: ['gpu', 'text'],
  uuid: ['uuid', 'text'],
  name: ['name', 'text'],
  driver: ['driver', 'text'],
  source: ['source', 'text'],
  replay: ['replay', 'boolean'],
  memoryUsed: ['memory_used', 'float8'],
  memoryReserved: ['memory_reserved', 'float8'],
  memoryTotal: ['memory_total', 'float8'],
  utilization: ['utilization', 'float8'],
  memoryUtilization: ['memory_utilization', 'float8'],
  temperature: ['temperature', 'float8'],
  memoryTemperature: ['memory_temperature', 'float8'],
  power: ['power', 'float8'],
  powerLimit: ['power_limit', 'float8'],
  fanSpeed: ['fan_speed', 'float8'],
  smClock: ['sm_clock', 'float8'],
  memoryClock: ['memory_clock', 'float8'],
  throttleReasons: ['throttle_reasons', 'jsonb'],
  eccUncorrected: ['ecc_uncorrected', 'float8'],
  processes: ['processes', 'jsonb'],
};

/**
 * Stores requests and adds them to their minutes, in one transaction. Rows that are stored already are passed over, so
 * a batch may be sent again.
 * @returns how many rows were new
 */
export function writeRequests(store: DataSource, rows: readonly RequestRow[]): Promise<number> {
  return write(store, 'request', REQUEST_COLUMNS, rows, (row) => row.endedAt);
}

/** Stores GPU samples as `writeRequests` stores requests. */
export function writeGpuSamples(store: DataSource, rows: readonly GpuSampleRow[]): Promise<number> {
  return write(store, 'gpu', GPU_COLUMNS, rows, (row) => row.time);
}

async function write<R>(
  store: DataSource,
  fact: keyof typeof FACTS,
  columns: Columns<R>,
  rows: readonly R[],
  time: (row: R) => Date,
): Promise<number> {
  if (rows.length === 0) return 0;
  const table = FACTS[fact];
  const fields = Object.entries(columns) as [keyof R, [string, ColumnType]][];
  const values = fields.map(([key, [, type]]) => rows.map((row) => toSql(row[key], type)));
  const names = fields.map(([, [name]]) => name).join(', ');
  const arrays = fields.map(([, [, type]], i) => `$${i + 1}::${type}[]`).join(', ');
  const dimensions = Object.values(table.dimensions);
  const measures = Object.entries(table.measures);
  const sums = measures.map(([name, m]) => `${m.combine}(${m.sql}) AS ${name}`).join(', ');
  const added = measures.map(([name, m]) =>
    m.combine === 'sum'
      ? `${name} = ${table.rollup}.${name} + excluded.${name}`
      : `${name} = greatest(${table.rollup}.${name}, excluded.${name})`,
  );
  const keys = ['minute', ...dimensions].join(', ');
  const sql = `
    WITH stored AS (
      INSERT INTO ${table.table} (${names}) SELECT * FROM unnest(${arrays}) ON CONFLICT DO NOTHING RETURNING *
    ), summed AS (
      INSERT INTO ${table.rollup} (${keys}, ${measures.map(([name]) => name).join(', ')})
      SELECT date_trunc('minute', ${table.time}, 'UTC') AS minute, ${dimensions.join(', ')}, ${sums}
      FROM stored GROUP BY ${keys} ORDER BY ${keys}
      ON CONFLICT (${keys}) DO UPDATE SET ${added.join(', ')}
    )
    SELECT count(*)::int AS n FROM stored`;
  const insert = () =>
    transaction(store, async (runner) => {
      const [{ n }] = (await runner.query(sql, values)) as [{ n: number }];
      return n;
    });
  try {
    return await insert();
  } catch (error) {
    if (!isMissingPartition(error)) throw error;
    await transaction(store, (runner) => ensurePartitions(runner, table.table, rows.map(time)));
    return insert();
  }
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair. */
function toSql(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'jsonb') return JSON.stringify(value).replaceAll('\\u0000', '');
  if (typeof value === 'string') return value.replaceAll('\0', '').toWellFormed();
  if (typeof value === 'number' && !Number.isFinite(value)) return null;
  return value;
}
