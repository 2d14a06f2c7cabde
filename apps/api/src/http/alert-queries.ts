import { SEVERITIES, summaryOf, type Level, type Rule } from '@vigil/rules';
import { isAddress } from '../notify/runbook.js';
import type { AlertRow } from '../evaluate/alert-store.js';
import { silenceOf, type Silence } from '../notify/routing/silence.js';
import type { DataSource } from 'typeorm';
import type { ApiContext } from './context.js';
import type { AlertItem, TransitionItem } from './dto.js';
import { runbookPath } from './rule-item.js';

export interface RankedAlertRow extends AlertRow {
  rank: number;
  /** The transition with which it last fired. */
  id: string | null;
  source: string;
  /** Of an alert of others. */
  annotations: Record<string, string> | null;
  link: string | null;
}

/** Alerts of others that are over are listed for a day. */
const LISTED_HOURS = 24;

/**
 * Alerts of ours and of others in one form, with a rank by which what fires comes first. `$1` is the scope. The fingerprint of
 * another one's is none of ours, which are JSON or begin with `sha256:`.
 */
const ALL_ALERTS = `
  SELECT 'vigil' AS source, rule, fingerprint, labels, state, since, active_since, fired_at, value, seen_at, evaluated_at,
    (SELECT max(t.id) FROM alert_transition t WHERE t.scope = alert.scope AND t.rule = alert.rule
      AND t.fingerprint = alert.fingerprint AND t.to_state = 'firing' AND t.at = alert.fired_at) AS id,
    NULL::jsonb AS annotations, NULL AS link
  FROM alert WHERE scope = $1
  UNION ALL
  SELECT source, alertname, 'received ' || id, labels, status, CASE status WHEN 'firing' THEN starts_at ELSE ends_at END,
    CASE status WHEN 'firing' THEN starts_at END, starts_at, NULL, updated_at, updated_at, NULL, annotations, generator_url
  FROM alert_received
  WHERE scope = $1 AND (status = 'firing' OR ends_at > now() - make_interval(hours => ${LISTED_HOURS}))`;

export interface AlertFilter {
  states: readonly string[] | null;
  sources: readonly string[] | null;
  rule: string | null;
  /** Rank, rule and fingerprint of the last one of the page before. */
  after: readonly [number, string, string] | undefined;
  limit: number;
}

/** Alerts as they stand, what fires first. */
export async function readAlerts(store: DataSource, scope: string, f: AlertFilter): Promise<RankedAlertRow[]> {
  return (await store.query(
    `SELECT * FROM (
       SELECT *, array_position(ARRAY['firing', 'no_data', 'pending', 'resolved', 'inactive'], state) AS rank
       FROM (${ALL_ALERTS}) AS alerts) AS alert
     WHERE ($2::text[] IS NULL OR state = ANY($2)) AND ($3::text IS NULL OR rule = $3)
       AND ($8::text[] IS NULL OR source = ANY($8))
       AND ($4::int IS NULL OR (rank, rule, fingerprint) > ($4, $5, $6))
     ORDER BY rank, rule, fingerprint LIMIT $7`,
    [scope, f.states, f.rule, ...(f.after ?? [null, null, null]), f.limit, f.sources],
  )) as RankedAlertRow[];
}

/** An alert with what its rule says today; without that where the rule is not known to this process. */
export function toAlertItem(
  row: RankedAlertRow,
  { book }: Pick<ApiContext, 'book'>,
  silences: readonly Silence[],
): AlertItem {
  if (row.annotations) return toReceivedItem(row, row.annotations);
  const rule = book.find(row.rule)?.rule;
  const level = rule && levelOf(rule, row.labels);
  return {
    ...standingOf(row),
    signal: rule?.signal.id ?? null,
    unit: rule?.unit ?? null,
    condition: level?.condition ?? null,
    severity: level?.severity ?? null,
    summary: rule ? summaryOf(rule, row) : null,
    action: rule?.action ?? null,
    runbook: rule ? runbookPath(book, rule) : null,
    replay: row.labels.replay === 'true',
    link: null,
    silence: silenceItem(row, level, silences),
  };
}

const standingOf = (row: RankedAlertRow) => ({
  id: row.id,
  source: row.source,
  rule: row.rule,
  labels: row.labels,
  state: row.state,
  since: row.since.toISOString(),
  activeSince: row.active_since?.toISOString() ?? null,
  firedAt: row.fired_at?.toISOString() ?? null,
  value: row.value,
  seenAt: row.seen_at?.toISOString() ?? null,
  evaluatedAt: row.evaluated_at.toISOString(),
});

/** An alert of others: its own words in the places of ours. Nobody is told of it here, so nothing silences it. */
function toReceivedItem(row: RankedAlertRow, annotations: Readonly<Record<string, string>>): AlertItem {
  const runbook = annotations.runbook_url;
  return {
    ...standingOf(row),
    signal: null,
    unit: null,
    condition: null,
    severity: SEVERITIES.find((severity) => severity === row.labels.severity) ?? null,
    summary: annotations.summary ?? annotations.description ?? null,
    action: null,
    runbook: runbook !== undefined && isAddress(runbook) ? runbook : null,
    replay: false,
    link: row.link,
    silence: null,
  };
}

/** The threshold of a rule that an alert is about. */
const levelOf = (rule: Rule, labels: Record<string, string>): Level =>
  rule.levels.find(({ severity }) => severity === labels.severity) ?? rule;

function silenceItem(row: AlertRow, level: Level | undefined, silences: readonly Silence[]): AlertItem['silence'] {
  const subject = { ...row.labels, rule: row.rule, severity: level?.severity ?? '' };
  const silence = silenceOf(silences, subject, new Date());
  return silence ? { id: silence.id, endsAt: silence.endsAt.toISOString(), reason: silence.reason } : null;
}

export interface HistoryFilter {
  rule: string | null;
  states: readonly string[] | null;
  from: Date | null;
  to: Date | null;
  /** Id of the last transition of the page before. */
  before: string | null;
  limit: number;
}

const TRANSITION = `t.id, t.rule, t.labels, t.from_state AS "from", t.to_state AS "to", t.at, t.value, t.context,
  coalesce((
    SELECT jsonb_agg(jsonb_build_object('channel', n.channel, 'status', n.status, 'attempts', n.attempts,
      'sentAt', n.sent_at, 'lastError', n.last_error) ORDER BY n.id)
    FROM notification n WHERE n.transitions @> ARRAY[t.id]), '[]') AS notifications`;

type TransitionRow = Omit<TransitionItem, 'at'> & { at: Date };
const toTransition = (row: TransitionRow): TransitionItem => ({ ...row, at: row.at.toISOString() });

/** Transitions of one alert from an id on and before another, oldest first. */
export async function readTransitions(
  store: DataSource,
  scope: string,
  span: { rule: string; fingerprint: string; from: string; before: string | null },
  limit: number,
): Promise<TransitionItem[]> {
  const rows = (await store.query(
    `SELECT ${TRANSITION} FROM alert_transition t
     WHERE t.scope = $1 AND t.rule = $2 AND t.fingerprint = $3 AND t.id >= $4 AND ($5::bigint IS NULL OR t.id < $5)
     ORDER BY t.id LIMIT $6`,
    [scope, span.rule, span.fingerprint, span.from, span.before, limit],
  )) as TransitionRow[];
  return rows.map(toTransition);
}

/** Transitions, newest first, each with its messages (those that were not sent say why); never with a channel's address. */
export async function readHistory(store: DataSource, scope: string, f: HistoryFilter): Promise<TransitionItem[]> {
  const rows = (await store.query(
    `SELECT ${TRANSITION}
     FROM alert_transition t
     WHERE t.scope = $1 AND ($2::text IS NULL OR t.rule = $2) AND ($3::text[] IS NULL OR t.to_state = ANY($3))
       AND ($4::timestamptz IS NULL OR t.at >= $4) AND ($5::timestamptz IS NULL OR t.at < $5)
       AND ($6::bigint IS NULL OR t.id < $6)
     ORDER BY t.id DESC LIMIT $7`,
    [scope, f.rule, f.states, f.from, f.to, f.before, f.limit],
  )) as TransitionRow[];
  return rows.map(toTransition);
}
