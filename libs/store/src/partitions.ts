import type { DataSource, QueryRunner } from 'typeorm';
import { FACTS } from './facts.js';
import { transaction } from './transaction.js';

const DAY = 86_400_000;
const PARTITION_LOCK = 814_002;

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);

/** Whether an error says that a row's day has no partition yet. */
export function isMissingPartition(error: unknown): boolean {
  const { code, routine } = error as { code?: string; routine?: string };
  return code === '23514' && routine === 'ExecFindPartition';
}

/** Makes the day partitions that the given times fall into, where they are missing. Runs inside a transaction. */
export async function ensurePartitions(runner: QueryRunner, table: string, times: readonly Date[]): Promise<void> {
  await runner.query('SELECT pg_advisory_xact_lock($1)', [PARTITION_LOCK]);
  for (const day of new Set(times.map(dayOf))) {
    const next = dayOf(new Date(Date.parse(day) + DAY));
    await runner.query(
      `CREATE TABLE IF NOT EXISTS ${table}_${day.replaceAll('-', '_')} PARTITION OF ${table} FOR VALUES FROM ('${day} 00:00+00') TO ('${next} 00:00+00')`,
    );
  }
}

/** Makes the partitions of a day before its first row comes. */
export async function prepareDay(store: DataSource, now: Date): Promise<void> {
  await transaction(store, async (runner) => {
    for (const { table } of Object.values(FACTS)) await ensurePartitions(runner, table, [now]);
  });
}

/**
 * Drops what is older than the retention: whole partitions, the roll-ups' rows, and the alerts' history.
 * @returns the names of the dropped partitions
 */
export async function dropExpired(store: DataSource, now: Date, retentionSeconds: number): Promise<string[]> {
  const limit = new Date(now.getTime() - retentionSeconds * 1000);
  const dropped: string[] = [];
  for (const { table, rollup } of Object.values(FACTS)) {
    const rows: { name: string }[] = await store.query(
      'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1',
      [table],
    );
    for (const { name } of rows) {
      const day = name.slice(table.length + 1).replaceAll('_', '-');
      if (Date.parse(day) + DAY > limit.getTime()) continue;
      await store.query(`DROP TABLE IF EXISTS ${name}`);
      dropped.push(name);
    }
    await store.query(`DELETE FROM ${rollup} WHERE minute < $1`, [limit]);
  }
  // Incidents go with the transitions that they belong to.
  await store.query('DELETE FROM alert_transition WHERE at < $1', [limit]);
  await store.query('DELETE FROM alert_received WHERE updated_at < $1', [limit]);
  return dropped;
}
