import type { Sql } from '../database.js';
import type { Verdict } from './decide.js';

/** A message that waits too long is no news any more, in seconds. */
const GIVE_UP_SECONDS = 24 * 3600;

export interface Claimed {
  id: string;
  channel: string;
  key: string;
  payload: unknown;
  attempts: number;
}

/**
 * Takes messages that are due, and reserves them for `leaseSeconds`: should this process die meanwhile, another one (or
 * its successor) takes them again afterwards. Messages about one alert keep their order: a later one is not taken while
 * an earlier one waits.
 */
export async function claimDue(
  sql: Sql,
  scope: string,
  channels: readonly string[],
  limit: number,
  leaseSeconds: number,
): Promise<Claimed[]> {
  const [rows] = (await sql.query(
    `WITH due AS (
       SELECT n.id FROM notification n JOIN alert_transition t ON t.id = n.transition_id
       WHERE n.scope = $1 AND n.status = 'waiting' AND n.next_attempt_at <= now() AND n.channel = ANY($2)
         AND NOT EXISTS (
           SELECT 1 FROM notification e JOIN alert_transition et ON et.id = e.transition_id
           WHERE e.scope = n.scope AND e.status = 'waiting' AND e.channel = n.channel AND e.id < n.id
             AND et.rule = t.rule AND et.fingerprint = t.fingerprint)
       ORDER BY n.id LIMIT $3 FOR UPDATE OF n SKIP LOCKED)
     UPDATE notification SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $4)
     FROM due WHERE notification.id = due.id
     RETURNING notification.id, channel, idempotency_key AS key, payload, attempts`,
    [scope, channels, limit, leaseSeconds],
  )) as [Claimed[], number];
  return rows;
}

/** Writes down what became of an attempt. */
export async function settle(sql: Sql, id: string, verdict: Verdict): Promise<void> {
  const reason = verdict.result === 'sent' ? null : verdict.reason;
  const status = verdict.result === 'retry' ? 'waiting' : verdict.result;
  await sql.query(
    `UPDATE notification SET status = $2, last_error = $3, sent_at = CASE WHEN $2 = 'sent' THEN now() END,
       next_attempt_at = now() + make_interval(secs => $4)
     WHERE id = $1 AND status = 'waiting'`,
    [id, status, reason, verdict.result === 'retry' ? verdict.delaySeconds : 0],
  );
}

/** Messages that nobody could be told for a day, or whose channel is gone, are given up. @returns their number */
export async function giveUp(sql: Sql, scope: string): Promise<number> {
  const [, count] = (await sql.query(
    `UPDATE notification SET status = 'dead',
       last_error = 'Given up after a day. ' || coalesce(last_error, 'Its channel is not configured.')
     WHERE scope = $1 AND status = 'waiting' AND created_at < now() - make_interval(secs => $2)`,
    [scope, GIVE_UP_SECONDS],
  )) as [unknown[], number];
  return count;
}

/** How many messages wait, and how long the oldest has, in seconds. */
export async function measureOutbox(sql: Sql, scope: string): Promise<{ waiting: number; ageSeconds: number }> {
  const [row] = (await sql.query(
    `SELECT count(*)::int AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "ageSeconds"
     FROM notification WHERE scope = $1 AND status = 'waiting'`,
    [scope],
  )) as [{ waiting: number; ageSeconds: number }];
  return row;
}
