import type { Fact } from '@vigil/signals';
import { FACTS } from './facts.js';

interface Sql {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/**
 * Sums the rows of `[from, to)` into minutes that have none yet. Whoever writes rows through this library needs no such thing;
 * it is for rows that came in another way, such as a copy of a table.
 */
export async function sumIntoMinutes(sql: Sql, fact: Fact, from: Date, to: Date): Promise<void> {
  const { table, rollup, time, dimensions, derived, measures } = FACTS[fact];
  const names = Object.values(dimensions);
  const columns = names.map((name) => (derived?.[name] ? `${derived[name]} AS ${name}` : name));
  const sums = Object.entries(measures).map(([name, { combine, sql: of }]) => `${combine}(${of}) AS ${name}`);
  const keys = ['minute', ...names];
  await sql.query(
    `INSERT INTO ${rollup} (${[...keys, ...Object.keys(measures)].join(', ')})
     SELECT date_trunc('minute', ${time}, 'UTC') AS minute, ${[...columns, ...sums].join(', ')} FROM ${table}
     WHERE ${time} >= $1 AND ${time} < $2 GROUP BY ${keys.map((_, i) => i + 1).join(', ')} ON CONFLICT DO NOTHING`,
    [from, to],
  );
}
