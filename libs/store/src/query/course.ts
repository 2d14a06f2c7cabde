import type { Computation, Fact, Label, Matchers, Signal } from '@vigil/signals';
import { Query } from './sql.js';
import { floorTime, MINUTE_MS } from './types.js';

export interface CourseWindow {
  from: Date;
  to: Date;
  /** Seconds. Steps of whole minutes are read from the roll-up, shorter ones from rows. */
  step: number;
  by: readonly Label[];
  matchers?: Matchers;
  /** Steps times label sets, at the most; of more, the latest. */
  limit: number;
}

/** One signal in one step, for one set of labels. */
export interface CourseRow {
  signal: Signal;
  labels: Record<string, string>;
  /** Begin of the step. */
  time: Date;
  /** In the signal's unit. */
  value: number;
  /** How many requests or readings it rests on. */
  samples: number;
}

interface Sql {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

type Readable = Extract<Computation, { kind: 'quotient' | 'rate' | 'gauge' }>;

/** The two sums that a signal is the quotient of; a rate has none below. */
function sumsOf(compute: Readable): { over: string; under: string } {
  if (compute.kind === 'quotient') return { over: compute.numerator, under: compute.denominator };
  if (compute.kind === 'rate') return { over: compute.of, under: 'requests' };
  return { over: `${compute.of}_sum`, under: `${compute.of}_count` };
}

const isReadable = (signal: Signal, fact: Fact): signal is Signal & { compute: Readable } =>
  signal.compute.fact === fact && ['quotient', 'rate', 'gauge'].includes(signal.compute.kind);

/**
 * How many signals of one kind of fact went, in one query over its rows: quotients, rates and gauges, the others are passed
 * over. Steps in which nothing happened are absent.
 */
export async function readCourses(
  sql: Sql,
  fact: Fact,
  signals: readonly Signal[],
  window: CourseWindow,
): Promise<CourseRow[]> {
  const readable = signals.filter((signal) => isReadable(signal, fact));
  if (readable.length === 0) return [];
  const stepMs = window.step * 1000;
  const from = floorTime(window.from, stepMs);
  const query = new Query(fact, window);
  const measures = [...new Set(readable.flatMap(({ compute }) => Object.values(sumsOf(compute as Readable))))];
  const rows =
    stepMs % MINUTE_MS === 0
      ? query.fromRollup(from, window.to, measures)
      : query.fromRows([[from, window.to]], measures);
  const sums = measures.map((name) => `sum(${name})::float8 AS ${name}`).join(', ');
  const keys = ['time', ...query.columns()].join(', ');
  const text = `SELECT time, ${query.labelColumns()} ${sums}
    FROM (SELECT ${query.bucket(window.step)} AS time, rows.* FROM (${rows}) AS rows) AS binned
    GROUP BY ${keys} ORDER BY time DESC LIMIT ${Number(window.limit)}`;
  const found = (await sql.query(text, query.parameters)) as (Record<string, unknown> & { time: Date })[];
  return found.toReversed().flatMap((row) => {
    const labels = Object.fromEntries(window.by.map((label) => [label, String(row[query.fact.dimensions[label]!])]));
    return readable.flatMap((signal) => {
      const { over, under } = sumsOf(signal.compute as Readable);
      const samples = Number(row[under]);
      const value = Number(row[over]) / (signal.compute.kind === 'rate' ? window.step : samples);
      return Number.isFinite(value) ? [{ signal, labels, time: row.time, value, samples }] : [];
    });
  });
}
