import { quantileOf, type Aggregate } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { gaugeSql, REQUEST_VALUES } from '../facts.js';
import { limitOf, Query, toPoints, toValues } from './sql.js';
import { floorTime, secondsBefore } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

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

/** Each value counts in all windows that it lies in: `over / step` of them. */
export async function distributionByStep(
  store: DataSource,
  signal: Distributed,
  window: StepWindow & { aggregate: Aggregate },
): Promise<SeriesPoint[]> {
  const { step, over = step } = window;
  const query = new Query(signal.compute.fact, window);
  const from = floorTime(window.from, step * 1000);
  const rows = values(query, signal, secondsBefore(from, over - step), window.to);
  const by = [...query.columns(), 'time'].join(', ');
  const shifted = `${query.bucket(step)} + make_interval(secs => i * ${query.parameter(step)}::float8)`;
  const sql = `SELECT time, ${query.labelColumns()} ${aggregateSql(window.aggregate)}::float8 AS value, count(*)::int AS samples
    FROM (SELECT ${shifted} AS time, rows.* FROM (${rows}) AS rows, generate_series(0, ${Number(over / step) - 1}) AS i) AS binned
    WHERE time >= ${query.parameter(from)} AND time < ${query.parameter(window.to)}
    GROUP BY ${by} ORDER BY time ${limitOf(window)}`;
  return toPoints(await query.run(store, sql), window.by);
}
