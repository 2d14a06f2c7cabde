import type { Sql } from '../database.js';
import type { Matchers } from './routing/match.js';
import type { Silence, SilenceState } from './routing/silence.js';

interface SilenceRow {
  id: string;
  match: Matchers;
  unless: Matchers;
  starts_at: Date;
  ends_at: Date;
  reason: string;
  created_by: string | null;
  created_at: Date;
}

export interface StoredSilence extends Silence {
  createdAt: Date;
}

const COLUMNS = 'id, match, "unless", starts_at, ends_at, reason, created_by, created_at';

const fromRow = (row: SilenceRow): StoredSilence => ({
  id: row.id,
  match: row.match,
  unless: row.unless,
  startsAt: row.starts_at,
  endsAt: row.ends_at,
  reason: row.reason,
  createdBy: row.created_by,
  createdAt: row.created_at,
});

/** Silences that are active now or will be. */
export async function readSilences(sql: Sql, scope: string, now: Date): Promise<StoredSilence[]> {
  const rows = (await sql.query(`SELECT ${COLUMNS} FROM silence WHERE scope = $1 AND ends_at > $2 ORDER BY id`, [
    scope,
    now,
  ])) as SilenceRow[];
  return rows.map(fromRow);
}

export async function countActiveSilences(sql: Sql, scope: string): Promise<number> {
  const [row] = (await sql.query(
    'SELECT count(*)::int AS n FROM silence WHERE scope = $1 AND starts_at <= now() AND ends_at > now()',
    [scope],
  )) as [{ n: number }];
  return row.n;
}

/** Silences of all states, newest first. */
export async function listSilences(
  sql: Sql,
  scope: string,
  filter: { states: readonly SilenceState[] | null; before: string | null; limit: number },
): Promise<StoredSilence[]> {
  const rows = (await sql.query(
    `SELECT ${COLUMNS} FROM silence WHERE scope = $1 AND ($2::bigint IS NULL OR id < $2) AND ($3::text[] IS NULL OR
       CASE WHEN ends_at <= now() THEN 'expired' WHEN starts_at <= now() THEN 'active' ELSE 'pending' END = ANY($3))
     ORDER BY id DESC LIMIT $4`,
    [scope, filter.before, filter.states, filter.limit],
  )) as SilenceRow[];
  return rows.map(fromRow);
}

export async function findSilence(sql: Sql, scope: string, id: string): Promise<StoredSilence | undefined> {
  const [row] = (await sql.query(`SELECT ${COLUMNS} FROM silence WHERE scope = $1 AND id = $2`, [
    scope,
    id,
  ])) as SilenceRow[];
  return row && fromRow(row);
}

export async function addSilence(sql: Sql, scope: string, silence: Omit<Silence, 'id'>): Promise<StoredSilence> {
  const [row] = (await sql.query(
    `INSERT INTO silence (scope, match, "unless", starts_at, ends_at, reason, created_by, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, now()) RETURNING ${COLUMNS}`,
    [
      scope,
      JSON.stringify(silence.match),
      JSON.stringify(silence.unless),
      silence.startsAt,
      silence.endsAt,
      silence.reason,
      silence.createdBy,
    ],
  )) as [SilenceRow];
  return fromRow(row);
}

/** Ends a silence now; it stays in the list. One that is over already is left as it is. */
export async function endSilence(sql: Sql, scope: string, id: string): Promise<StoredSilence | undefined> {
  await sql.query(
    `UPDATE silence SET ends_at = now(), starts_at = least(starts_at, now()) WHERE scope = $1 AND id = $2 AND ends_at > now()`,
    [scope, id],
  );
  return findSilence(sql, scope, id);
}
