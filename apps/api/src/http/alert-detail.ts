import type { DataSource } from 'typeorm';
import type { Incident } from '../incident/types.js';
import { readTransitions } from './alert-queries.js';
import type { TransitionItem } from './dto.js';
import type { AlertDetail } from './incident-dto.js';

/** Changes of one firing that are listed. */
const HISTORY = 200;

interface Row {
  scope: string;
  rule: string;
  fingerprint: string;
  labels: Record<string, string>;
  at: Date;
  value: number | null;
  context: Record<string, unknown> & { activeSince?: string | null };
  lines: string[] | null;
  detail: Incident | null;
  next: string | null;
}

/** A firing in full; undefined where there is none of this id. */
export async function readAlert(
  store: DataSource,
  scope: string,
  id: string,
): Promise<Omit<AlertDetail, 'runbook'> | undefined> {
  const [row] = (await store.query(
    `SELECT t.rule, t.fingerprint, t.labels, t.at, t.value, t.context, i.lines, i.detail, (
       SELECT min(n.id) FROM alert_transition n WHERE n.scope = t.scope AND n.rule = t.rule
         AND n.fingerprint = t.fingerprint AND n.id > t.id AND n.to_state = 'firing'
         AND (n.context->>'firedAt')::timestamptz = n.at) AS next
     FROM alert_transition t LEFT JOIN alert_incident i ON i.transition_id = t.id
     WHERE t.scope = $1 AND t.id = $2 AND t.to_state = 'firing'`,
    [scope, id],
  )) as Row[];
  if (!row) return undefined;
  const span = { rule: row.rule, fingerprint: row.fingerprint, from: id, before: row.next };
  const history = await readTransitions(store, scope, span, HISTORY);
  const end = endOf(history);
  return {
    id,
    source: 'vigil',
    rule: row.rule,
    labels: row.labels,
    state: end ? 'resolved' : stateOf(history),
    activeSince: row.context.activeSince ?? null,
    firedAt: row.at.toISOString(),
    resolvedAt: end?.at ?? null,
    value: row.value,
    context: row.context,
    incident: row.detail && { ...row.detail, lines: row.lines ?? [] },
    history,
  };
}

const endOf = (history: readonly TransitionItem[]): TransitionItem | undefined =>
  history.find(({ to }) => to === 'resolved');

const stateOf = (history: readonly TransitionItem[]): string => history.at(-1)?.to ?? 'firing';
