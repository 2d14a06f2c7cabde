import type { Sql } from '../database.js';
import { INBOX } from './channels.js';
import type { Verdict } from './decide.js';

/** A message that waits too long is no news any more, in seconds. */
const GIVE_UP_SECONDS = 24 * 3600;
/** For how long messages without a transition, and groups of receivers that are gone, are kept, in days. */
const KEEP_DAYS = 30;

export interface Claimed {
  id: string;
  channel: string;
  key: string;
  payload: unknown;
  attempts: number;
  /** What the receiver calls the message that this one goes on with. */
  reference: unknown;
  /** Whether a later one of the same episode was sent already. */
  isLate: boolean;
}

/**
 * Takes messages to one receiver that are due, and reserves them for `leaseSeconds`: should this process die meanwhile,
 * another one (or its successor) takes them again afterwards. Messages of one group keep their order: a later one is not
 * taken while an earlier one waits.
 */
export async function claimDue(
  sql: Sql,
  scope: string,
  channel: string,
  limit: number,
  leaseSeconds: number,
): Promise<Claimed[]> {
  const [rows] = (await sql.query(
    `WITH head AS (
       SELECT DISTINCT ON (group_key) id FROM notification
       WHERE scope = $1 AND status = 'waiting' AND channel = $2 ORDER BY group_key, id),
     due AS (
       SELECT n.id FROM notification n JOIN head USING (id)
       WHERE n.status = 'waiting' AND n.next_attempt_at <= now()
       ORDER BY n.id LIMIT $3 FOR UPDATE OF n SKIP LOCKED)
     UPDATE notification AS n SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $4)
     FROM due WHERE n.id = due.id
     RETURNING n.id, n.channel, n.idempotency_key AS key, n.payload, n.attempts,
       (SELECT p.reference FROM notification p WHERE p.scope = n.scope AND p.channel = n.channel
          AND p.episode = n.episode AND p.reference IS NOT NULL ORDER BY p.sent_at DESC LIMIT 1) AS reference,
       EXISTS (SELECT 1 FROM notification p WHERE p.scope = n.scope AND p.channel = n.channel
          AND p.episode = n.episode AND p.status = 'sent' AND p.id > n.id) AS "isLate"`,
    [scope, channel, limit, leaseSeconds],
  )) as [Claimed[], number];
  return rows;
}

/** Writes down what became of an attempt. */
export async function settle(sql: Sql, id: string, verdict: Verdict): Promise<void> {
  const reason = verdict.result === 'sent' ? null : verdict.reason;
  const status = verdict.result === 'retry' ? 'waiting' : verdict.result;
  const reference = verdict.result === 'sent' ? verdict.reference : undefined;
  await sql.query(
    `UPDATE notification SET status = $2, last_error = $3, sent_at = CASE WHEN $2 = 'sent' THEN now() END,
       next_attempt_at = now() + make_interval(secs => $4), reference = $5
     WHERE id = $1 AND status = 'waiting'`,
    [
      id,
      status,
      reason,
      verdict.result === 'retry' ? verdict.delaySeconds : 0,
      reference ? JSON.stringify(reference) : null,
    ],
  );
}

/**
 * Messages that nobody could be told for a day, or whose receiver is gone, are given up. What is left of receivers that
 * are not configured any more goes in the end.
 * @returns how many were given up
 */
export async function giveUp(sql: Sql, scope: string, channels: readonly string[]): Promise<number> {
  const [, count] = (await sql.query(
    `UPDATE notification SET status = 'dead',
       last_error = 'Given up after a day. ' || coalesce(last_error, 'Its channel is not configured.')
     WHERE scope = $1 AND status = 'waiting' AND channel <> $3 AND queued_at < now() - make_interval(secs => $2)`,
    [scope, GIVE_UP_SECONDS, INBOX.name],
  )) as [unknown[], number];
  await sql.query(
    `DELETE FROM notification WHERE scope = $1 AND transition_id IS NULL AND status <> 'waiting'
       AND created_at < now() - make_interval(days => $2)`,
    [scope, KEEP_DAYS],
  );
  await sql.query(
    `DELETE FROM notification_group WHERE scope = $1 AND channel <> ALL($3)
       AND updated_at < now() - make_interval(days => $2)`,
    [scope, KEEP_DAYS, channels],
  );
  return count;
}

export interface OutboxState {
  waiting: number;
  /** Age of the oldest message that waits, in seconds. */
  ageSeconds: number;
  /** Receivers that a message is due for. */
  due: string[];
}

export async function measureOutbox(sql: Sql, scope: string): Promise<OutboxState> {
  const rows = (await sql.query(
    `SELECT channel, count(*)::int AS waiting, bool_or(next_attempt_at <= now()) AS due,
       extract(epoch FROM now() - min(queued_at))::float8 AS age
     FROM notification WHERE scope = $1 AND status = 'waiting' GROUP BY channel`,
    [scope],
  )) as { channel: string; waiting: number; due: boolean; age: number }[];
  return {
    waiting: rows.reduce((sum, row) => sum + row.waiting, 0),
    ageSeconds: rows.reduce((max, row) => Math.max(max, row.age), 0),
    due: rows.filter((row) => row.due && row.channel !== INBOX.name).map((row) => row.channel),
  };
}

/** How many messages are in states that somebody should look at. */
export async function countUnsent(sql: Sql, scope: string): Promise<Record<'dead' | 'held', number>> {
  const [row] = (await sql.query(
    `SELECT count(*) FILTER (WHERE status = 'dead')::int AS dead, count(*) FILTER (WHERE status = 'held')::int AS held
     FROM notification WHERE scope = $1 AND status IN ('dead', 'held')`,
    [scope],
  )) as [Record<'dead' | 'held', number>];
  return row;
}

export interface NewNotification {
  channel: string;
  kind: 'change' | 'repeat';
  status: 'waiting' | 'held' | 'skipped' | 'dead';
  key: string;
  groupKey: string;
  episode: string;
  payload: object;
  transitions: readonly string[];
  reason: string | null;
}

/**
 * Puts messages into the outbox. What was held back before is replaced by what is told now; of an alert that is over, only
 * why nobody was told stays.
 */
export async function addMessages(sql: Sql, scope: string, messages: readonly NewNotification[]): Promise<void> {
  if (messages.length === 0) return;
  // Of one that was held back and told in the same breath, only the last word counts.
  const last = messages.filter(
    ({ status, channel, transitions }, i) =>
      status !== 'held' ||
      !messages.slice(i + 1).some((m) => m.channel === channel && m.transitions.some((id) => transitions.includes(id))),
  );
  const rows = JSON.stringify(last.map((message, order) => ({ ...message, order })));
  await sql.query(
    `DELETE FROM notification n USING jsonb_to_recordset($2) AS m(channel text, transitions bigint[])
     WHERE n.scope = $1 AND n.status = 'held' AND n.channel = m.channel AND n.transitions && m.transitions`,
    [scope, rows],
  );
  await sql.query(
    `INSERT INTO notification (scope, transition_id, channel, kind, status, idempotency_key, group_key, episode, payload,
       transitions, last_error, created_at, queued_at, next_attempt_at)
     SELECT $1, (SELECT max(t.id) FROM alert_transition t WHERE t.id = ANY(m.transitions)), m.channel, m.kind, m.status,
       m.key, m."groupKey", m.episode, m.payload, m.transitions, m.reason, now(), now(), now()
     FROM jsonb_to_recordset($2) AS m(channel text, kind text, status text, key text, "groupKey" text, episode text,
       payload jsonb, transitions bigint[], reason text, "order" int)
     ORDER BY m."order" ON CONFLICT DO NOTHING`,
    [scope, rows],
  );
}

/** Takes away what was told again before and has been superseded, and says whether an older one still waits. */
export async function replaceRepeats(sql: Sql, scope: string, channel: string, groupKey: string): Promise<boolean> {
  const rows = (await sql.query(
    `SELECT count(*) FILTER (WHERE status = 'waiting')::int AS waiting FROM notification
     WHERE scope = $1 AND channel = $2 AND group_key = $3 AND kind = 'repeat'`,
    [scope, channel, groupKey],
  )) as [{ waiting: number }];
  await sql.query(
    `DELETE FROM notification WHERE scope = $1 AND channel = $2 AND group_key = $3 AND kind = 'repeat' AND status = 'sent'`,
    [scope, channel, groupKey],
  );
  return rows[0].waiting > 0;
}

/** Events that were dispatched. */
export async function dropEvents(sql: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await sql.query('DELETE FROM notification WHERE id = ANY($1::bigint[])', [ids]);
}

/** Puts a message that was given up back among those that wait. @returns whether it had been given up */
export async function sendAgain(sql: Sql, scope: string, id: string): Promise<boolean> {
  const [, count] = (await sql.query(
    `UPDATE notification SET status = 'waiting', attempts = 0, last_error = NULL, queued_at = now(), next_attempt_at = now()
     WHERE scope = $1 AND id = $2 AND status = 'dead'`,
    [scope, id],
  )) as [unknown[], number];
  return count > 0;
}
