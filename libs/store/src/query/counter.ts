import type { DataSource } from 'typeorm';
import { limitOf, Query, toPoints, toValues } from './sql.js';
import { floorTime, LOOKBACK_SECONDS, MINUTE_MS, secondsBefore } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

/**
 * What a count grew by from one reading to the next, and how long that took; a count that fell began anew, as
 * Prometheus's `rate` has it. Readings are rows, or the last one of a minute.
 */
function growth(query: Query, rows: string, count: string): string {
  const dimensions = query.dimensions.join(', ');
  const before = `OVER (PARTITION BY ${dimensions} ORDER BY read_at)`;
  return `SELECT at, ${dimensions}, extract(epoch FROM read_at - lag(read_at) ${before}) AS seconds,
      CASE WHEN n >= lag(n) ${before} THEN n - lag(n) ${before} ELSE n END AS grown
    FROM (SELECT at, coalesce(last_at, at) AS read_at, ${dimensions}, ${count} AS n FROM (${rows}) AS read) AS readings
    WHERE n IS NOT NULL`;
}

/** By device first, then the sum of devices under one label. */
const SPEED = `sum(grown) / nullif(sum(seconds), 0) AS speed, count(*) AS readings`;
const TOTAL = `sum(speed)::float8 AS value, sum(readings)::float8 AS samples`;

export async function growthOver(
  store: DataSource,
  { compute }: SignalOf<'counter'>,
  window: Window,
): Promise<SignalValue[]> {
  const query = new Query(compute.fact, window);
  const rows = query.union(window.from, window.to, [`${compute.of}_max`, 'last_at']);
  const dimensions = query.dimensions.join(', ');
  const sql = `SELECT ${query.labelColumns()} ${TOTAL} FROM (
      SELECT ${dimensions}, ${SPEED} FROM (${growth(query, rows, `${compute.of}_max`)}) AS grown
      WHERE seconds IS NOT NULL GROUP BY ${dimensions}
    ) AS devices ${query.groupBy()}`;
  return toValues(await query.run(store, sql), window.by);
}

export async function growthByStep(
  store: DataSource,
  { compute }: SignalOf<'counter'>,
  window: StepWindow,
): Promise<SeriesPoint[]> {
  const stepMs = window.step * 1000;
  const from = floorTime(window.from, stepMs);
  // The first step grows from a reading before it.
  const before = secondsBefore(from, Math.max(window.step, LOOKBACK_SECONDS));
  const query = new Query(compute.fact, window);
  const measures = [`${compute.of}_max`, 'last_at'];
  const rows =
    stepMs % MINUTE_MS === 0
      ? query.fromRollup(before, window.to, measures)
      : query.fromRows([[before, window.to]], measures);
  const dimensions = query.dimensions.join(', ');
  const by = [...query.columns(), 'time'].join(', ');
  const sql = `SELECT time, ${query.labelColumns()} ${TOTAL} FROM (
      SELECT ${query.bucket(window.step)} AS time, ${dimensions}, ${SPEED}
      FROM (${growth(query, rows, `${compute.of}_max`)}) AS grown
      WHERE seconds IS NOT NULL AND at >= ${query.parameter(from)} GROUP BY time, ${dimensions}
    ) AS devices GROUP BY ${by} ORDER BY time ${limitOf(window)}`;
  return toPoints(await query.run(store, sql), window.by);
}
