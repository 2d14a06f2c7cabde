import type { Sql } from '../database.js';
import type { Alert, AlertState } from '@vigil/rules';

/** Any number that no other lock takes; the second half of the key is the scope. */
const EVALUATION_LOCK = 814_003;

/**
 * Whether this transaction may evaluate the scope. It is held until the transaction ends, however it ends, so it needs no
 * undoing, can't be held by a connection that died, and works through a pooler.
 */
export async function tryLock(sql: Sql, scope: string): Promise<boolean> {
  const [row] = (await sql.query('SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS held', [
    EVALUATION_LOCK,
    scope,
  ])) as [{ held: boolean }];
  return row.held;
}

/** When a scope's rules were last evaluated, by whichever process. */
export async function readBeat(sql: Sql, scope: string): Promise<Date | undefined> {
  const [row] = (await sql.query('SELECT at FROM evaluation_beat WHERE scope = $1', [scope])) as { at: Date }[];
  return row?.at;
}

export async function writeBeat(sql: Sql, scope: string, at: Date): Promise<void> {
  await sql.query(
    'INSERT INTO evaluation_beat (scope, at) VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET at = excluded.at',
    [scope, at],
  );
}

export interface StoredAlert extends Alert {
  rule: string;
}

/** A row of the table `alert`. */
export interface AlertRow {
  rule: string;
  fingerprint: string;
  labels: Record<string, string>;
  state: AlertState;
  since: Date;
  active_since: Date | null;
  clear_since: Date | null;
  absent_since: Date | null;
  fired_at: Date | null;
  firings: string[];
  value: number | null;
  seen_at: Date | null;
  evaluated_at: Date;
}

/** Every alert of a scope as the last beat left it. */
export async function readAlerts(sql: Sql, scope: string): Promise<StoredAlert[]> {
  const rows = (await sql.query(
    `SELECT rule, fingerprint, labels, state, since, active_since, clear_since, absent_since, fired_at, firings, value,
       seen_at, evaluated_at
     FROM alert WHERE scope = $1 ORDER BY rule, fingerprint`,
    [scope],
  )) as AlertRow[];
  return rows.map((row) => ({
    rule: row.rule,
    fingerprint: row.fingerprint,
    labels: row.labels,
    state: row.state,
    since: row.since,
    activeSince: row.active_since,
    clearSince: row.clear_since,
    absentSince: row.absent_since,
    firedAt: row.fired_at,
    firings: row.firings.map((time) => new Date(time)),
    value: row.value,
    seenAt: row.seen_at,
    evaluatedAt: row.evaluated_at,
  }));
}

export async function writeAlerts(sql: Sql, scope: string, alerts: readonly StoredAlert[]): Promise<void> {
  if (alerts.length === 0) return;
  const column = <T>(of: (alert: StoredAlert) => T): T[] => alerts.map(of);
  await sql.query(
    `INSERT INTO alert (scope, rule, fingerprint, labels, state, since, active_since, clear_since, absent_since, fired_at,
       firings, value, seen_at, evaluated_at)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::text[], $6::timestamptz[], $7::timestamptz[],
       $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::jsonb[], $12::float8[], $13::timestamptz[],
       $14::timestamptz[])
     ON CONFLICT (scope, rule, fingerprint) DO UPDATE SET labels = excluded.labels, state = excluded.state,
       since = excluded.since, active_since = excluded.active_since, clear_since = excluded.clear_since,
       absent_since = excluded.absent_since, fired_at = excluded.fired_at, firings = excluded.firings,
       value = excluded.value, seen_at = excluded.seen_at, evaluated_at = excluded.evaluated_at`,
    [
      scope,
      column((a) => a.rule),
      column((a) => a.fingerprint),
      column((a) => JSON.stringify(a.labels)),
      column((a) => a.state),
      column((a) => a.since),
      column((a) => a.activeSince),
      column((a) => a.clearSince),
      column((a) => a.absentSince),
      column((a) => a.firedAt),
      column((a) => JSON.stringify(a.firings)),
      column((a) => a.value),
      column((a) => a.seenAt),
      column((a) => a.evaluatedAt),
    ],
  );
}

export async function dropAlerts(
  sql: Sql,
  scope: string,
  rule: string,
  fingerprints: readonly string[],
): Promise<void> {
  if (fingerprints.length === 0) return;
  await sql.query('DELETE FROM alert WHERE scope = $1 AND rule = $2 AND fingerprint = ANY($3)', [
    scope,
    rule,
    fingerprints,
  ]);
}

export interface NewTransition {
  rule: string;
  fingerprint: string;
  labels: Record<string, string>;
  from: AlertState;
  to: AlertState;
  at: Date;
  value: number | null;
  context: object;
}

/** Adds to the history. @returns the transition's id */
export async function addTransition(sql: Sql, scope: string, t: NewTransition): Promise<string> {
  const [row] = (await sql.query(
    `INSERT INTO alert_transition (scope, rule, fingerprint, labels, from_state, to_state, at, value, context)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
    [scope, t.rule, t.fingerprint, JSON.stringify(t.labels), t.from, t.to, t.at, t.value, JSON.stringify(t.context)],
  )) as [{ id: string }];
  return row.id;
}

/** What the last firing of an alert was about; for a rule that is gone meanwhile. */
export async function lastContext(
  sql: Sql,
  scope: string,
  rule: string,
  fingerprint: string,
): Promise<Record<string, unknown> | undefined> {
  const [row] = (await sql.query(
    `SELECT context FROM alert_transition WHERE scope = $1 AND rule = $2 AND fingerprint = $3 AND to_state = 'firing'
     ORDER BY id DESC LIMIT 1`,
    [scope, rule, fingerprint],
  )) as { context: Record<string, unknown> }[];
  return row?.context;
}

/** The transition with which an alert last fired: the id that it has at `/api/v1/alerts/:id`. */
export async function lastFiring(
  sql: Sql,
  scope: string,
  rule: string,
  fingerprint: string,
): Promise<string | undefined> {
  const [row] = (await sql.query(
    `SELECT max(id) AS id FROM alert_transition
     WHERE scope = $1 AND rule = $2 AND fingerprint = $3 AND to_state = 'firing'
       AND (context->>'firedAt')::timestamptz = at`,
    [scope, rule, fingerprint],
  )) as [{ id: string | null }];
  return row.id ?? undefined;
}

/** Puts messages into the outbox, one a channel. The table takes only one for a transition and channel. */
export async function addNotifications(
  sql: Sql,
  scope: string,
  transitionId: string,
  messages: readonly { channel: string; payload: unknown; key: string }[],
): Promise<void> {
  for (const { channel, payload, key } of messages)
    await sql.query(
      `INSERT INTO notification (scope, transition_id, channel, idempotency_key, payload, status, created_at, next_attempt_at)
       VALUES ($1, $2, $3, $4, $5, 'waiting', now(), now()) ON CONFLICT DO NOTHING`,
      [scope, transitionId, channel, key, JSON.stringify(payload)],
    );
}
