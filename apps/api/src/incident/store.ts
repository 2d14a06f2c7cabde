import type { Sql } from '../database.js';
import type { Firing } from './read.js';
import type { Incident } from './types.js';
import { linesOf } from './words.js';

/** A firing with the id of its transition, which is also the incident's. */
export interface OpenFiring extends Firing {
  id: string;
}

/** One that has ended, with what was found when it began. */
export interface EndedFiring extends OpenFiring {
  detail: Incident;
  resolvedAt: Date;
}

interface TransitionRow {
  id: string;
  rule: string;
  fingerprint: string;
  labels: Record<string, string>;
  at: Date;
  context: { signal: string; over: number | null; for: number; activeSince: string | null };
}

const toFiring = ({ at, context, ...row }: TransitionRow): OpenFiring => ({
  id: row.id,
  rule: row.rule,
  fingerprint: row.fingerprint,
  labels: row.labels,
  signal: context.signal,
  over: context.over,
  for: context.for,
  activeSince: context.activeSince === null ? at : new Date(context.activeSince),
  firedAt: at,
});

/** Firings that nobody has looked into yet, the latest first. Data that came back while an alert fired are none. */
export async function readUnexplained(sql: Sql, scope: string, since: Date, limit: number): Promise<OpenFiring[]> {
  const rows = (await sql.query(
    `SELECT t.id, t.rule, t.fingerprint, t.labels, t.at, t.context FROM alert_transition t
     WHERE t.scope = $1 AND t.at >= $2 AND t.to_state = 'firing' AND (t.context->>'firedAt')::timestamptz = t.at
       AND NOT EXISTS (SELECT 1 FROM alert_incident i WHERE i.transition_id = t.id)
     ORDER BY t.id DESC LIMIT $3`,
    [scope, since, limit],
  )) as TransitionRow[];
  return rows.map(toFiring);
}

/** Incidents whose alert is over, and that do not say so yet. */
export async function readEnded(sql: Sql, scope: string, limit: number): Promise<EndedFiring[]> {
  const rows = (await sql.query(
    `SELECT t.id, t.rule, t.fingerprint, t.labels, t.at, t.context, i.detail, r.at AS resolved_at
     FROM alert_incident i JOIN alert_transition t ON t.id = i.transition_id
     JOIN LATERAL (SELECT at FROM alert_transition r WHERE r.scope = t.scope AND r.rule = t.rule
       AND r.fingerprint = t.fingerprint AND r.id > t.id AND r.to_state = 'resolved' ORDER BY r.id LIMIT 1) AS r ON true
     WHERE i.scope = $1 AND i.resolved_at IS NULL ORDER BY t.id DESC LIMIT $2`,
    [scope, limit],
  )) as (TransitionRow & { detail: Incident; resolved_at: Date })[];
  return rows.map((row) => ({ ...toFiring(row), detail: row.detail, resolvedAt: row.resolved_at }));
}

/** Keeps an incident; of two processes that looked into one firing, the first one's. */
export async function addIncident(sql: Sql, scope: string, firing: OpenFiring, incident: Incident): Promise<void> {
  await sql.query(
    `INSERT INTO alert_incident (transition_id, scope, rule, fingerprint, fired_at, updated_at, lines, detail)
     SELECT t.id, $2, $3, $4, $5, now(), $6, $7 FROM alert_transition t WHERE t.id = $1 ON CONFLICT DO NOTHING`,
    [
      firing.id,
      scope,
      firing.rule,
      firing.fingerprint,
      firing.firedAt,
      JSON.stringify(linesOf(incident)),
      JSON.stringify(incident),
    ],
  );
}

export async function endIncident(sql: Sql, id: string, resolvedAt: Date, incident: Incident): Promise<void> {
  await sql.query(
    `UPDATE alert_incident SET resolved_at = $2, updated_at = now(), lines = $3, detail = $4
     WHERE transition_id = $1 AND resolved_at IS NULL`,
    [id, resolvedAt, JSON.stringify(linesOf(incident)), JSON.stringify(incident)],
  );
}

/** The sentences of the incidents that these transitions belong to, by the transition's id. */
export async function readLines(
  sql: Sql,
  scope: string,
  transitions: readonly string[],
): Promise<Map<string, string[]>> {
  if (transitions.length === 0) return new Map();
  const rows = (await sql.query(
    `SELECT t.id, i.lines FROM alert_transition t
     JOIN LATERAL (SELECT f.id FROM alert_transition f WHERE f.scope = t.scope AND f.rule = t.rule
       AND f.fingerprint = t.fingerprint AND f.to_state = 'firing' AND f.id <= t.id
       AND EXISTS (SELECT 1 FROM alert_incident i WHERE i.transition_id = f.id) ORDER BY f.id DESC LIMIT 1) AS f ON true
     JOIN alert_incident i ON i.transition_id = f.id WHERE t.scope = $1 AND t.id = ANY($2::bigint[])`,
    [scope, transitions],
  )) as { id: string; lines: string[] }[];
  return new Map(rows.map(({ id, lines }) => [id, lines]));
}
