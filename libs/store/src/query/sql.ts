import type { Fact, Label } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { FACTS, type FactTable } from '../facts.js';
import { ceilTime, floorTime, type SignalValue, type StepWindow, type Window } from './types.js';

/** Composes the SQL of one signal; identifiers come from our own tables, values always travel as parameters. */
export class Query {
  readonly parameters: unknown[] = [];
  readonly fact: FactTable;

  constructor(
    fact: Fact,
    private readonly window: Pick<Window, 'by' | 'matchers'>,
  ) {
    this.fact = FACTS[fact];
  }

  parameter(value: unknown): string {
    this.parameters.push(value);
    return `$${this.parameters.length}`;
  }

  /** All dimensions of the fact, as its roll-up names them. */
  get dimensions(): string[] {
    return Object.values(this.fact.dimensions);
  }

  /** All dimensions as SQL over a row. */
  rowDimensions(): string {
    const { derived = {} } = this.fact;
    return this.dimensions.map((name) => (derived[name] ? `${derived[name]} AS ${name}` : name)).join(', ');
  }

  /** The columns that the answer is grouped by. */
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

  /** The matchers, each with AND before it, over the roll-up or over rows. */
  where(over: 'rollup' | 'rows'): string {
    return Object.entries(this.window.matchers ?? {})
      .map(([label, value]) => {
        const column = this.fact.dimensions[label as Label]!;
        const sql = over === 'rows' ? (this.fact.derived?.[column] ?? column) : column;
        return ` AND (${sql})::text = ${this.parameter(value)}`;
      })
      .join('');
  }

  /** Dimensions and measures by minute; `at` is the minute's begin. */
  fromRollup(from: Date, to: Date, measures: readonly string[]): string {
    const columns = [...this.dimensions, ...new Set(measures)].join(', ');
    return `SELECT minute AS at, ${columns} FROM ${this.fact.rollup}
      WHERE minute >= ${this.parameter(from)} AND minute < ${this.parameter(to)}${this.where('rollup')}`;
  }

  /** The same of single rows. */
  fromRows(ranges: readonly (readonly [Date, Date])[], measures: readonly string[]): string {
    const { table, time } = this.fact;
    const sums = [...new Set(measures)].map((name) => `${this.fact.measures[name]!.sql} AS ${name}`);
    const within = ranges.map(([a, b]) => `(${time} >= ${this.parameter(a)} AND ${time} < ${this.parameter(b)})`);
    return `SELECT ${time} AS at, ${this.rowDimensions()}, ${sums.join(', ')} FROM ${table}
      WHERE (${within.join(' OR ')})${this.where('rows')}`;
  }

  /** Whole minutes from the roll-up, the edges from rows. */
  union(from: Date, to: Date, measures: readonly string[]): string {
    const [first, last] = [ceilTime(from), floorTime(to)];
    if (first >= last) return this.fromRows([[from, to]], measures);
    const edges = [
      [from, first],
      [last, to],
    ] as const;
    return `${this.fromRollup(first, last, measures)} UNION ALL ${this.fromRows(edges, measures)}`;
  }

  /** The begin of the step that the column `at` falls into. */
  bucket(step: number): string {
    return `date_bin(make_interval(secs => ${this.parameter(step)}), at, 'epoch'::timestamptz)`;
  }

  run(store: DataSource, sql: string): Promise<Record<string, unknown>[]> {
    return store.query(sql, this.parameters);
  }
}

/** The end of a query that may not answer more than it was asked for. */
export const limitOf = ({ limit }: Pick<StepWindow, 'limit'>): string =>
  limit === undefined ? '' : `LIMIT ${Number(limit)}`;

/** The answers of a query that selects the labels, `value` and `samples`. */
export function toValues(rows: readonly Record<string, unknown>[], by: readonly Label[]): SignalValue[] {
  return rows
    .filter((row) => row.value !== null)
    .map((row) => ({
      labels: Object.fromEntries(by.map((label) => [label, String(row[label])])),
      value: Number(row.value),
      samples: Number(row.samples),
    }));
}

/** The same with the column `time`. */
export const toPoints = (rows: readonly Record<string, unknown>[], by: readonly Label[]) =>
  rows.flatMap((row) => toValues([row], by).map((value) => ({ time: row.time as Date, ...value })));
