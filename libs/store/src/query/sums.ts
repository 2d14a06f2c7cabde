import type { Computation } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { gaugeSql } from '../facts.js';
import { limitOf, Query, toPoints, toValues } from './sql.js';
import { floorTime, LOOKBACK_SECONDS, MINUTE_MS, secondsBefore } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

/** What is a quotient of sums: of requests, or of readings over their number. */
export type Summed = SignalOf<'quotient' | 'rate' | 'gauge'>;

/** The roll-up columns that a signal needs. */
function measuresOf(c: Extract<Computation, { kind: 'quotient' | 'rate' | 'gauge' }>): [string, string] {
  if (c.kind === 'quotient') return [c.numerator, c.denominator];
  return c.kind === 'rate' ? [c.of, 'requests'] : [`${c.of}_sum`, `${c.of}_count`];
}

function valueOf({ compute }: Summed, seconds: number): string {
  const [numerator, denominator] = measuresOf(compute);
  if (compute.kind === 'rate') return `sum(${numerator})::float8 / ${Number(seconds)}`;
  return `sum(${numerator})::float8 / nullif(sum(${denominator}), 0)`;
}

const samplesOf = ({ compute }: Summed): string => `coalesce(sum(${measuresOf(compute)[1]}), 0)::float8`;

export async function sumsOver(store: DataSource, signal: Summed, window: Window): Promise<SignalValue[]> {
  const query = new Query(signal.compute.fact, window);
  const rows = query.union(window.from, window.to, measuresOf(signal.compute));
  const seconds = (window.to.getTime() - window.from.getTime()) / 1000;
  const sql = `SELECT ${query.labelColumns()} ${valueOf(signal, seconds)} AS value, ${samplesOf(signal)} AS samples
    FROM (${rows}) AS rows ${query.groupBy()}`;
  return toValues(await query.run(store, sql), window.by);
}

/** `sumsOver` of several signals of one fact in one query; by the signals' ids. */
export async function manySumsOver(
  store: DataSource,
  signals: readonly Summed[],
  window: Window,
): Promise<Map<string, SignalValue[]>> {
  const query = new Query(signals[0]!.compute.fact, window);
  const rows = query.union(
    window.from,
    window.to,
    signals.flatMap(({ compute }) => measuresOf(compute)),
  );
  const seconds = (window.to.getTime() - window.from.getTime()) / 1000;
  const values = signals.map((signal, i) => `${valueOf(signal, seconds)} AS v${i}, ${samplesOf(signal)} AS n${i}`);
  const sql = `SELECT ${query.labelColumns()} ${values.join(', ')} FROM (${rows}) AS rows ${query.groupBy()}`;
  return apart(signals, await query.run(store, sql), window);
}

/** `latestReading` of several gauges of one fact in one query; by the signals' ids. */
export async function manyLatestReadings(
  store: DataSource,
  signals: readonly SignalOf<'gauge'>[],
  now: Date,
  window: Pick<Window, 'by' | 'matchers'>,
): Promise<Map<string, SignalValue[]>> {
  const query = new Query(signals[0]!.compute.fact, window);
  const gauges = signals.map(({ compute }, i) => `${gaugeSql(compute)} AS g${i}`);
  const latest = latestRows(query, now, gauges.join(', '));
  const values = signals.map((_, i) => `avg(g${i}) AS v${i}, count(g${i})::int AS n${i}`);
  const sql = `SELECT ${query.labelColumns()} ${values.join(', ')} FROM (${latest}) AS rows ${query.groupBy()}`;
  return apart(signals, await query.run(store, sql), window);
}

/** Rows with `v0`, `n0`, `v1`, `n1` … as the values of each signal. */
const apart = (
  signals: readonly Summed[],
  rows: readonly Record<string, unknown>[],
  { by }: Pick<Window, 'by'>,
): Map<string, SignalValue[]> =>
  new Map(
    signals.map(({ id }, i) => [
      id,
      toValues(
        rows.map((row) => ({ ...row, value: row[`v${i}`], samples: row[`n${i}`] })),
        by,
      ),
    ]),
  );

/** The latest row of each set of labels, within the lookback. */
function latestRows(query: Query, now: Date, columns: string): string {
  const { table, time } = query.fact;
  const from = query.parameter(secondsBefore(now, LOOKBACK_SECONDS));
  const to = query.parameter(now);
  const all = query.dimensions.join(', ');
  return `SELECT DISTINCT ON (${all}) ${all}, ${columns} FROM ${table}
    WHERE ${time} > ${from} AND ${time} <= ${to} ${query.where('rows')} ORDER BY ${all}, ${time} DESC`;
}

export async function latestReading(
  store: DataSource,
  { compute }: SignalOf<'gauge'>,
  now: Date,
  window: Pick<Window, 'by' | 'matchers'>,
): Promise<SignalValue[]> {
  const query = new Query(compute.fact, window);
  const latest = latestRows(query, now, `${gaugeSql(compute)} AS v`);
  const sql = `SELECT ${query.labelColumns()} avg(v) AS value, count(v)::int AS samples FROM (${latest}) AS rows ${query.groupBy()}`;
  return toValues(await query.run(store, sql), window.by);
}

export async function sumsByStep(store: DataSource, signal: Summed, window: StepWindow): Promise<SeriesPoint[]> {
  const stepMs = window.step * 1000;
  const from = floorTime(window.from, stepMs);
  const query = new Query(signal.compute.fact, window);
  const measures = measuresOf(signal.compute);
  const rows =
    stepMs % MINUTE_MS === 0
      ? query.fromRollup(from, window.to, measures)
      : query.fromRows([[from, window.to]], measures);
  const bucket = query.bucket(window.step);
  const by = [...query.columns(), 'time'].join(', ');
  const sql = `SELECT time, ${query.labelColumns()} ${valueOf(signal, window.step)} AS value, ${samplesOf(signal)} AS samples
    FROM (SELECT ${bucket} AS time, rows.* FROM (${rows}) AS rows) AS binned GROUP BY ${by} ORDER BY time ${limitOf(window)}`;
  return toPoints(await query.run(store, sql), window.by);
}
