import type { DataSource } from 'typeorm';
import { limitOf, Query, toPoints, toValues } from './sql.js';
import { floorTime, LOOKBACK_SECONDS, secondsBefore } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

/** The greatest reading of the time before `at` less the latest; nothing where there is no reading of late. */
export async function missingAt(
  store: DataSource,
  { compute }: SignalOf<'missing'>,
  at: Date,
  window: Pick<Window, 'by' | 'matchers'>,
): Promise<SignalValue[]> {
  const query = new Query(compute.fact, window);
  const { table, time } = query.fact;
  const names = query.dimensions.join(', ');
  // The window's end is not part of it; the time that is asked for is.
  const end = new Date(at.getTime() + 1);
  const past = query.union(secondsBefore(at, compute.overSeconds), end, [`${compute.of}_max`]);
  const present = `SELECT DISTINCT ON (${names}) ${names}, ${compute.of} AS present FROM ${table}
    WHERE ${time} > ${query.parameter(secondsBefore(at, LOOKBACK_SECONDS))} AND ${time} <= ${query.parameter(at)}
      AND ${compute.of} IS NOT NULL ${query.where('rows')} ORDER BY ${names}, ${time} DESC`;
  const sql = `SELECT ${query.labelColumns()} sum(most - present)::float8 AS value, count(*)::int AS samples
    FROM (SELECT ${names}, max(${compute.of}_max) AS most FROM (${past}) AS rows GROUP BY ${names}) AS past
    JOIN (${present}) AS latest USING (${names}) ${query.groupBy()}`;
  return toValues(await query.run(store, sql), window.by);
}

/** By minute, and of each step the most that was missing. */
export async function missingByStep(
  store: DataSource,
  { compute }: SignalOf<'missing'>,
  window: StepWindow,
): Promise<SeriesPoint[]> {
  const from = floorTime(window.from, window.step * 1000);
  const query = new Query(compute.fact, window);
  const names = query.dimensions.join(', ');
  const measures = [`${compute.of}_max`, `${compute.of}_min`];
  const rows = query.fromRollup(secondsBefore(from, compute.overSeconds), window.to, measures);
  const past = `PARTITION BY ${names} ORDER BY at RANGE BETWEEN make_interval(secs => ${query.parameter(compute.overSeconds)}) PRECEDING AND CURRENT ROW`;
  const minutes = `SELECT at, ${names}, max(${compute.of}_max) OVER (${past}) - ${compute.of}_min AS n
    FROM (${rows}) AS rows`;
  const binned = `SELECT ${query.bucket(window.step)} AS time, ${names}, max(n) AS n FROM (${minutes}) AS minutes
    WHERE n IS NOT NULL AND at >= ${query.parameter(from)} GROUP BY time, ${names}`;
  const by = [...query.columns(), 'time'].join(', ');
  const sql = `SELECT time, ${query.labelColumns()} sum(n)::float8 AS value, count(*)::int AS samples
    FROM (${binned}) AS binned GROUP BY ${by} ORDER BY time ${limitOf(window)}`;
  return toPoints(await query.run(store, sql), window.by);
}
