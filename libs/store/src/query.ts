import type { Computation, Label, Matchers, Signal } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { FACTS, gaugeSql, type FactTable } from './facts.js';

/** A value of a signal for one set of labels. */
export interface SignalValue {
  labels: Record<string, string>;
  /** In the signal's unit. */
  value: number;
  /** How many requests or samples it rests on. */
  samples: number;
}

export interface SeriesPoint extends SignalValue {
  /** Start of the step. */
  time: Date;
}

export interface Window {
  from: Date;
  to: Date;
  by: readonly Label[];
  matchers?: Matchers;
}

/** A reading older than this counts as gone, in seconds. */
export const LOOKBACK_SECONDS = 120;

const MINUTE = 60_000;

/**
 * A signal over `[from, to)`, by label. Label sets without data are absent. Whole minutes are read from the roll-up and
 * only the window's edges from rows, so the cost does not grow with traffic.
 */
export async function readWindow(store: DataSource, signal: Signal, window: Window): Promise<SignalValue[]> {
  const query = new Query(signal, window);
  const rows = query.union(window.from, window.to);
  const sql = `SELECT ${query.labelColumns()} ${query.value((window.to.getTime() - window.from.getTime()) / 1000)} AS value, ${query.samples()} AS samples
    FROM (${rows}) AS rows ${query.groupBy()}`;
  return toValues(await store.query(sql, query.parameters), window.by);
}

/** The latest reading of a gauge by label, over the last two minutes; several readings under one label are averaged. */
export async function readLatest(
  store: DataSource,
  signal: Signal,
  now: Date,
  by: readonly Label[],
  matchers?: Matchers,
): Promise<SignalValue[]> {
  const { compute } = signal;
  if (compute.kind !== 'gauge') throw new TypeError(`${signal.id} has no latest reading: it is counted over a window`);
  const query = new Query(signal, { from: now, to: now, by, ...(matchers && { matchers }) });
  const { table, time, dimensions } = query.fact;
  const from = query.parameter(new Date(now.getTime() - LOOKBACK_SECONDS * 1000));
  const to = query.parameter(now);
  const all = Object.values(dimensions).join(', ');
  const latest = `SELECT DISTINCT ON (${all}) ${all}, ${gaugeSql(compute.of)} AS v FROM ${table}
    WHERE ${time} > ${from} AND ${time} <= ${to} ${query.where()} ORDER BY ${all}, ${time} DESC`;
  const sql = `SELECT ${query.labelColumns()} avg(v) AS value, count(v)::int AS samples FROM (${latest}) AS rows ${query.groupBy()}`;
  return toValues(await store.query(sql, query.parameters), by);
}

/**
 * A signal in steps of `step` seconds over `[from, to)`, oldest first. Steps of whole minutes are read from roll-ups
 * (`from` is moved back to a step's start), shorter ones from rows.
 */
export async function readSeries(
  store: DataSource,
  signal: Signal,
  window: Window & { step: number },
): Promise<SeriesPoint[]> {
  const stepMs = window.step * 1000;
  const from = new Date(Math.floor(window.from.getTime() / stepMs) * stepMs);
  const query = new Query(signal, window);
  const byMinute = stepMs % MINUTE === 0;
  const rows = byMinute ? query.fromRollup(from, window.to) : query.fromRows([[from, window.to]]);
  const bucket = `date_bin(make_interval(secs => ${query.parameter(window.step)}), at, 'epoch'::timestamptz)`;
  const by = query
    .columns()
    .map((column) => `${column}, `)
    .join('');
  const sql = `SELECT time, ${query.labelColumns()} ${query.value(window.step)} AS value, ${query.samples()} AS samples
    FROM (SELECT ${bucket} AS time, rows.* FROM (${rows}) AS rows) AS binned GROUP BY ${by} time ORDER BY time`;
  const result: Record<string, unknown>[] = await store.query(sql, query.parameters);
  return result.flatMap((row) => toValues([row], window.by).map((value) => ({ time: row.time as Date, ...value })));
}

/** Composes the SQL of one signal; identifiers come from our own tables, values always travel as parameters. */
class Query {
  readonly parameters: unknown[] = [];
  readonly fact: FactTable;
  private readonly compute: Computation;

  constructor(
    signal: Signal,
    private readonly window: Window,
  ) {
    this.compute = signal.compute;
    this.fact = FACTS[signal.compute.fact];
  }

  parameter(value: unknown): string {
    this.parameters.push(value);
    return `$${this.parameters.length}`;
  }

  columns(): string[] {
    return this.window.by.map((label) => {
      const column = this.fact.dimensions[label];
      if (!column) throw new TypeError(`${this.fact.table} has no label ${label}`);
      return column;
    });
  }

  labelColumns(): string {
    return this.columns()
      .map((column) => `${column}::text AS ${column},`)
      .join(' ');
  }

  groupBy(): string {
    const columns = this.columns();
    return columns.length === 0 ? '' : `GROUP BY ${columns.join(', ')} ORDER BY ${columns.join(', ')}`;
  }

  where(): string {
    return Object.entries(this.window.matchers ?? {})
      .map(([label, value]) => ` AND ${this.fact.dimensions[label as Label]}::text = ${this.parameter(value)}`)
      .join('');
  }

  /** The roll-up columns that this signal needs. */
  private measures(): string[] {
    const c = this.compute;
    if (c.kind === 'quotient') return [c.numerator, c.denominator];
    return c.kind === 'rate' ? [c.of, 'requests'] : [`${c.of}_sum`, `${c.of}_count`];
  }

  value(seconds: number): string {
    const c = this.compute;
    if (c.kind === 'rate') return `sum(${c.of})::float8 / ${Number(seconds)}`;
    const [numerator, denominator] = this.measures();
    return `sum(${numerator})::float8 / nullif(sum(${denominator}), 0)`;
  }

  samples(): string {
    return `coalesce(sum(${this.measures()[1]}), 0)::float8`;
  }

  fromRollup(from: Date, to: Date): string {
    const columns = [...Object.values(this.fact.dimensions), ...new Set(this.measures())].join(', ');
    return `SELECT minute AS at, ${columns} FROM ${this.fact.rollup}
      WHERE minute >= ${this.parameter(from)} AND minute < ${this.parameter(to)}${this.where()}`;
  }

  fromRows(ranges: readonly (readonly [Date, Date])[]): string {
    const { table, time, dimensions, measures } = this.fact;
    const sums = [...new Set(this.measures())].map((name) => `${measures[name]!.sql} AS ${name}`);
    const within = ranges.map(([a, b]) => `(${time} >= ${this.parameter(a)} AND ${time} < ${this.parameter(b)})`);
    return `SELECT ${time} AS at, ${[...Object.values(dimensions), ...sums].join(', ')} FROM ${table}
      WHERE (${within.join(' OR ')})${this.where()}`;
  }

  /** Whole minutes from the roll-up, the edges from rows. */
  union(from: Date, to: Date): string {
    const first = new Date(Math.ceil(from.getTime() / MINUTE) * MINUTE);
    const last = new Date(Math.floor(to.getTime() / MINUTE) * MINUTE);
    if (first >= last) return this.fromRows([[from, to]]);
    return `${this.fromRollup(first, last)} UNION ALL ${this.fromRows([
      [from, first],
      [last, to],
    ])}`;
  }
}

function toValues(rows: Record<string, unknown>[], by: readonly Label[]): SignalValue[] {
  return rows
    .filter((row) => row.value !== null)
    .map((row) => ({
      labels: Object.fromEntries(by.map((label) => [label, String(row[label])])),
      value: Number(row.value),
      samples: Number(row.samples),
    }));
}
