import type { DataSource } from 'typeorm';
import { FACTS } from '../facts.js';
import { limitOf, Query, toPoints, toValues } from './sql.js';
import { floorTime, LOOKBACK_SECONDS, MEMORY_SECONDS, MINUTE_MS, secondsBefore } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

/**
 * Events in the window, by label. What had some within the day before its end and none in it counts 0 where its node
 * still reports; where the node is silent nobody knows, and there is no value.
 */
export async function countOver(
  store: DataSource,
  { compute }: SignalOf<'count'>,
  window: Window,
): Promise<SignalValue[]> {
  const query = new Query(compute.fact, window);
  const names = query.dimensions.join(', ');
  const counted = `SELECT ${names}, ${compute.of} AS n FROM (${query.union(window.from, window.to, [compute.of])}) AS rows`;
  const known = `SELECT ${names}, 0 AS n FROM (
      ${query.fromRollup(secondsBefore(window.to, MEMORY_SECONDS), window.from, [compute.of])}
    ) AS rows WHERE ${compute.of} > 0`;
  const sql = `SELECT ${query.labelColumns()} sum(n)::float8 AS value, sum(n)::float8 AS samples FROM (
      SELECT ${names}, sum(n) AS n FROM (
        SELECT * FROM (${counted}) AS counted WHERE n > 0 UNION ALL ${known}
      ) AS rows GROUP BY ${names}
    ) AS counts WHERE n > 0 OR node IN (${reporting(query, window.to)}) ${query.groupBy()}`;
  return toValues(await query.run(store, sql), window.by);
}

/** Nodes that have told anything within the lookback. */
function reporting(query: Query, at: Date): string {
  const since = query.parameter(secondsBefore(at, LOOKBACK_SECONDS));
  const to = query.parameter(at);
  return [FACTS.node, FACTS.gpu]
    .map(
      ({ rollup }) => `SELECT node FROM ${rollup} WHERE minute >= date_trunc('minute', ${since}::timestamptz)
        AND minute < ${to} AND coalesce(last_at, minute) >= ${since}`,
    )
    .join(' UNION ');
}

/** Events by step; steps without any are absent. */
export async function countByStep(
  store: DataSource,
  { compute }: SignalOf<'count'>,
  window: StepWindow,
): Promise<SeriesPoint[]> {
  const stepMs = window.step * 1000;
  const from = floorTime(window.from, stepMs);
  const query = new Query(compute.fact, window);
  const rows =
    stepMs % MINUTE_MS === 0
      ? query.fromRollup(from, window.to, [compute.of])
      : query.fromRows([[from, window.to]], [compute.of]);
  const by = [...query.columns(), 'time'].join(', ');
  const sql = `SELECT ${query.bucket(window.step)} AS time, ${query.labelColumns()}
      sum(${compute.of})::float8 AS value, sum(${compute.of})::float8 AS samples
    FROM (${rows}) AS rows WHERE ${compute.of} > 0 GROUP BY ${by} ORDER BY time ${limitOf(window)}`;
  return toPoints(await query.run(store, sql), window.by);
}
