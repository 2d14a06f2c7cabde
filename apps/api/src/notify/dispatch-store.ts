import type { Sql } from '../database.js';
import { INBOX } from './channels.js';
import { revive, type Message, type StoredMessage } from './message.js';
import type { Event, Group, Item } from './routing/group.js';

/** Any number that no other lock takes; the second half of the key is the scope. */
const DISPATCH_LOCK = 814_004;

export interface GroupKey {
  channel: string;
  key: string;
}

export interface StoredGroup extends GroupKey {
  group: Group;
}

/** Whether this transaction may dispatch the scope's events; only one does at a time, so that groups stay whole. */
export async function tryDispatchLock(sql: Sql, scope: string): Promise<boolean> {
  const [row] = (await sql.query('SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS held', [
    DISPATCH_LOCK,
    scope,
  ])) as [{ held: boolean }];
  return row.held;
}

/** Whether there is anything to dispatch. */
export async function isAnythingDue(sql: Sql, scope: string, channels: readonly string[]): Promise<boolean> {
  const [row] = (await sql.query(
    `SELECT EXISTS (SELECT 1 FROM notification WHERE scope = $1 AND status = 'waiting' AND channel = $2)
       OR EXISTS (SELECT 1 FROM notification_group WHERE scope = $1 AND next_at <= now() AND channel = ANY($3)) AS due`,
    [scope, INBOX.name, channels],
  )) as [{ due: boolean }];
  return row.due;
}

/** What the evaluator put down, oldest first. `notificationId` is the row that it is taken from. */
export async function readEvents(
  sql: Sql,
  scope: string,
  limit: number,
): Promise<(Event & { notificationId: string })[]> {
  const rows = (await sql.query(
    `SELECT n.id AS "notificationId", n.payload, t.id AS "transitionId", t.rule, t.fingerprint
     FROM notification n JOIN alert_transition t ON t.id = n.transition_id
     WHERE n.scope = $1 AND n.status = 'waiting' AND n.channel = $2 ORDER BY n.id LIMIT $3`,
    [scope, INBOX.name, limit],
  )) as (Omit<Event, 'message'> & { notificationId: string; payload: StoredMessage })[];
  return rows.map(({ payload, ...row }) => ({ ...row, message: revive(payload) }));
}

/** The groups that alerts are in already, by `JSON.stringify([rule, fingerprint])`. */
export async function readMemberships(
  sql: Sql,
  scope: string,
  events: readonly Pick<Event, 'rule' | 'fingerprint'>[],
): Promise<Map<string, GroupKey[]>> {
  const rows = (await sql.query(
    `SELECT DISTINCT i.rule, i.fingerprint, i.channel, i.group_key AS key FROM notification_item i
     JOIN unnest($2::text[], $3::text[]) AS e(rule, fingerprint) USING (rule, fingerprint) WHERE i.scope = $1`,
    [scope, events.map(({ rule }) => rule), events.map(({ fingerprint }) => fingerprint)],
  )) as (GroupKey & { rule: string; fingerprint: string })[];
  const found = new Map<string, GroupKey[]>();
  for (const { rule, fingerprint, channel, key } of rows) {
    const alert = JSON.stringify([rule, fingerprint]);
    found.set(alert, [...(found.get(alert) ?? []), { channel, key }]);
  }
  return found;
}

export async function readDueGroups(sql: Sql, scope: string, channels: readonly string[]): Promise<GroupKey[]> {
  return (await sql.query(
    `SELECT channel, group_key AS key FROM notification_group
     WHERE scope = $1 AND next_at <= now() AND channel = ANY($2) ORDER BY next_at LIMIT 500`,
    [scope, channels],
  )) as GroupKey[];
}

export async function readGroups(sql: Sql, scope: string, keys: readonly GroupKey[]): Promise<StoredGroup[]> {
  if (keys.length === 0) return [];
  const wanted = [scope, keys.map(({ channel }) => channel), keys.map(({ key }) => key)];
  const join = `JOIN unnest($2::text[], $3::text[]) AS k(channel, group_key) USING (channel, group_key)`;
  const groups = (await sql.query(
    `SELECT DISTINCT g.channel, g.group_key AS key, g.labels, g.episode, g.told_at, g.flush_at
     FROM notification_group g ${join} WHERE g.scope = $1`,
    wanted,
  )) as (GroupKey & { labels: Record<string, string>; episode: string; told_at: Date | null; flush_at: Date | null })[];
  const items = (await sql.query(
    `SELECT DISTINCT i.channel, i.group_key AS key, i.rule, i.fingerprint, i.message, i.told, i.pending
     FROM notification_item i ${join} WHERE i.scope = $1 ORDER BY i.rule, i.fingerprint`,
    wanted,
  )) as (GroupKey & Omit<Item, 'message'> & { message: StoredMessage })[];
  const byGroup = Map.groupBy(items, (item) => JSON.stringify([item.channel, item.key]));
  return groups.map(({ channel, key, labels, episode, told_at, flush_at }) => ({
    channel,
    key,
    group: {
      labels,
      episode,
      toldAt: told_at,
      flushAt: flush_at,
      items: (byGroup.get(JSON.stringify([channel, key])) ?? []).map(
        ({ rule, fingerprint, message, told, pending }) => ({
          rule,
          fingerprint,
          message: revive(message),
          told,
          pending,
        }),
      ),
    },
  }));
}

/** How alerts stand now, for what is told again. */
export async function readStanding(
  sql: Sql,
  scope: string,
  items: readonly Pick<Item, 'rule' | 'fingerprint'>[],
): Promise<Map<string, { state: Message['status']; value: number | null }>> {
  if (items.length === 0) return new Map();
  const rows = (await sql.query(
    `SELECT a.rule, a.fingerprint, a.state, a.value FROM alert a
     JOIN unnest($2::text[], $3::text[]) AS i(rule, fingerprint) USING (rule, fingerprint)
     WHERE a.scope = $1 AND a.state IN ('firing', 'no_data')`,
    [scope, items.map(({ rule }) => rule), items.map(({ fingerprint }) => fingerprint)],
  )) as { rule: string; fingerprint: string; state: Message['status']; value: number | null }[];
  return new Map(rows.map(({ rule, fingerprint, ...rest }) => [JSON.stringify([rule, fingerprint]), rest]));
}

export interface ChangedGroup extends GroupKey {
  /** Undefined where it has ended. */
  group: Group | undefined;
  nextAt: Date | null;
}

/** Writes groups as they are now, with their alerts. */
export async function writeGroups(sql: Sql, scope: string, changed: readonly ChangedGroup[]): Promise<void> {
  if (changed.length === 0) return;
  const keys = [scope, changed.map(({ channel }) => channel), changed.map(({ key }) => key)];
  const those = '(channel, group_key) IN (SELECT * FROM unnest($2::text[], $3::text[]))';
  await sql.query(`DELETE FROM notification_item WHERE scope = $1 AND ${those}`, keys);
  const ended = changed.filter(({ group }) => !group);
  await sql.query(`DELETE FROM notification_group WHERE scope = $1 AND ${those}`, [
    scope,
    ended.map(({ channel }) => channel),
    ended.map(({ key }) => key),
  ]);
  const lasting = changed.filter((one): one is ChangedGroup & { group: Group } => one.group !== undefined);
  await sql.query(
    `INSERT INTO notification_group (scope, channel, group_key, labels, episode, told_at, flush_at, next_at, updated_at)
     SELECT $1, channel, key, labels, episode, told_at, flush_at, next_at, now() FROM jsonb_to_recordset($2) AS
       g(channel text, key text, labels jsonb, episode text, told_at timestamptz, flush_at timestamptz, next_at timestamptz)
     ON CONFLICT (scope, channel, group_key) DO UPDATE SET told_at = excluded.told_at, flush_at = excluded.flush_at,
       next_at = excluded.next_at, updated_at = now()`,
    [
      scope,
      JSON.stringify(
        lasting.map(({ channel, key, group: { labels, episode, toldAt, flushAt }, nextAt }) => ({
          channel,
          key,
          labels,
          episode,
          told_at: toldAt,
          flush_at: flushAt,
          next_at: nextAt,
        })),
      ),
    ],
  );
  await sql.query(
    `INSERT INTO notification_item (scope, channel, group_key, rule, fingerprint, message, told, pending)
     SELECT $1, channel, key, rule, fingerprint, message, told, pending FROM jsonb_to_recordset($2) AS
       i(channel text, key text, rule text, fingerprint text, message jsonb, told text, pending bigint[])`,
    [
      scope,
      JSON.stringify(
        lasting.flatMap(({ channel, key, group }) => group.items.map((item) => ({ channel, key, ...item }))),
      ),
    ],
  );
}

/** What is new has to be looked at again at once: a silence was ended, or quiet hours were changed. */
export async function reconsider(sql: Sql, scope: string): Promise<void> {
  await sql.query(
    'UPDATE notification_group SET flush_at = now(), next_at = now() WHERE scope = $1 AND flush_at IS NOT NULL',
    [scope],
  );
}
