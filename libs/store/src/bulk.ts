import type { DataSource } from 'typeorm';
import {
  ENGINE_COLUMNS,
  EVENT_COLUMNS,
  GPU_COLUMNS,
  NODE_COLUMNS,
  REQUEST_COLUMNS,
  type Columns,
  type ColumnType,
} from './columns.js';
import { FACTS } from './facts.js';
import { transaction } from './transaction.js';
import { ensurePartitions, isMissingPartition } from './partitions.js';
import type { EngineSampleRow, GpuEventRow, GpuSampleRow, NodeSampleRow, RequestRow } from './rows.js';

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

/** Stores node samples as `writeRequests` stores requests. */
export function writeNodeSamples(store: DataSource, rows: readonly NodeSampleRow[]): Promise<number> {
  return write(store, 'node', NODE_COLUMNS, rows, (row) => row.time);
}

/** Stores what engines say of themselves as `writeRequests` stores requests. */
export function writeEngineSamples(store: DataSource, rows: readonly EngineSampleRow[]): Promise<number> {
  return write(store, 'engine', ENGINE_COLUMNS, rows, (row) => row.time);
}

/** Stores events of GPUs as `writeRequests` stores requests. */
export function writeGpuEvents(store: DataSource, rows: readonly GpuEventRow[]): Promise<number> {
  return write(store, 'event', EVENT_COLUMNS, rows, (row) => row.time);
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
  const measures = Object.entries(table.measures);
  const sums = measures.map(([name, m]) => `${m.combine}(${m.sql}) AS ${name}`).join(', ');
  const added = measures.map(([name, { combine }]) => {
    const [before, now] = [`${table.rollup}.${name}`, `excluded.${name}`];
    const both = { sum: `${before} + ${now}`, max: `greatest(${before}, ${now})`, min: `least(${before}, ${now})` };
    return `${name} = ${both[combine]}`;
  });
  const dimensions = Object.values(table.dimensions);
  const derived = dimensions.map((name) => (table.derived?.[name] ? `${table.derived[name]} AS ${name}` : name));
  const keys = ['minute', ...dimensions].join(', ');
  const order = ['minute', ...dimensions].map((_, i) => i + 1).join(', ');
  const sql = `
    WITH stored AS (
      INSERT INTO ${table.table} (${names}) SELECT * FROM unnest(${arrays}) ON CONFLICT DO NOTHING RETURNING *
    ), summed AS (
      INSERT INTO ${table.rollup} (${keys}, ${measures.map(([name]) => name).join(', ')})
      SELECT date_trunc('minute', ${table.time}, 'UTC') AS minute, ${derived.join(', ')}, ${sums}
      FROM stored GROUP BY ${order} ORDER BY ${order}
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
