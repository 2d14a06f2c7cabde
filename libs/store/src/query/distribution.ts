import { quantileOf, type Aggregate } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { gaugeSql, REQUEST_VALUES } from '../facts.js';
import { Query, toPoints, toValues } from './sql.js';
import { floorTime } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, Window } from './types.js';

/** What has a distribution: readings of a gauge, and requests of which each has the value. */
type Distributed = SignalOf<'quotient' | 'gauge'>;

function aggregateSql(aggregate: Aggregate): string {
  const quantile = quantileOf(aggregate);
  if (quantile !== undefined) return `percentile_cont(${quantile}) WITHIN GROUP (ORDER BY v)`;
  return aggregate === 'mean' ? 'avg(v)' : `${aggregate}(v)`;
}

/** Every single value of `[from, to)`: roll-ups keep sums, which know neither the greatest nor the middle. */
function values(query: Query, { compute, id }: Distributed, from: Date, to: Date): string {
  const sql = compute.kind === 'gauge' ? gaugeSql(compute) : compute.of && REQUEST_VALUES[compute.of];
  if (sql === undefined) throw new TypeError(`${id} is a share: it has no distribution`);
  const { table, time } = query.fact;
  return `SELECT * FROM (SELECT ${time} AS at, ${query.rowDimensions()}, ${sql} AS v FROM ${table}
    WHERE ${time} >= ${query.parameter(from)} AND ${time} < ${query.parameter(to)} ${query.where('rows')}) AS known
    WHERE v IS NOT NULL`;
}

export async function distributionOver(
  store: DataSource,
  signal: Distributed,
  window: Window & { aggregate: Aggregate },
): Promise<SignalValue[]> {
  const query = new Query(signal.compute.fact, window);
  const rows = values(query, signal, window.from, window.to);
  const sql = `SELECT ${query.labelColumns()} ${aggregateSql(window.aggregate)}::float8 AS value, count(*)::int AS samples
    FROM (${rows}) AS rows ${query.groupBy()}`;
  return toValues(await query.run(store, sql), window.by);
}

export async function distributionByStep(
  store: DataSource,
  signal: Distributed,
  window: Window & { step: number; aggregate: Aggregate },
): Promise<SeriesPoint[]> {
  const query = new Query(signal.compute.fact, window);
  const rows = values(query, signal, floorTime(window.from, window.step * 1000), window.to);
  const by = [...query.columns(), 'time'].join(', ');
  const sql = `SELECT time, ${query.labelColumns()} ${aggregateSql(window.aggregate)}::float8 AS value, count(*)::int AS samples
    FROM (SELECT ${query.bucket(window.step)} AS time, rows.* FROM (${rows}) AS rows) AS binned GROUP BY ${by} ORDER BY time`;
  return toPoints(await query.run(store, sql), window.by);
}
