import { createHash } from 'node:crypto';
import type { Sql } from '../database.js';
import { endOf, type ReceivedAlert } from './webhook.js';

/** Alerts of others that are kept for a scope; beyond, those that were told longest ago go. */
const KEPT = 10_000;

/** The same labels are the same alert, where Alertmanager does not say so itself. */
function fingerprintOf({ fingerprint, labels }: ReceivedAlert): string {
  if (fingerprint !== undefined) return fingerprint;
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}

/**
 * Keeps alerts of others. One that is told twice is kept once; one that is over stays so, whatever arrives late.
 * @param source who told them
 */
export async function keepReceived(
  sql: Sql,
  scope: string,
  source: string,
  alerts: readonly ReceivedAlert[],
  now: Date,
): Promise<void> {
  // One statement may not touch a row twice: of one alert in it, the last word counts.
  const latest = new Map(
    alerts.map((alert) => {
      const fingerprint = fingerprintOf(alert);
      const row = {
        fingerprint,
        alertname: alert.labels.alertname ?? '',
        severity: alert.labels.severity ?? null,
        labels: alert.labels,
        annotations: alert.annotations,
        status: alert.status,
        starts_at: alert.startsAt,
        ends_at: endOf(alert, now),
        generator_url: /^https?:\/\//.test(alert.generatorURL) ? alert.generatorURL : null,
      };
      return [`${fingerprint} ${alert.startsAt.getTime()}`, row] as const;
    }),
  );
  await sql.query(
    `INSERT INTO alert_received AS r (scope, source, fingerprint, alertname, severity, labels, annotations, status, starts_at,
       ends_at, generator_url, received_at, updated_at)
     SELECT $1, $2, a.*, $4, $4 FROM jsonb_to_recordset($3) AS a(fingerprint text, alertname text, severity text,
       labels jsonb, annotations jsonb, status text, starts_at timestamptz, ends_at timestamptz, generator_url text)
     ORDER BY a.fingerprint, a.starts_at
     ON CONFLICT (scope, source, fingerprint, starts_at) DO UPDATE SET updated_at = excluded.updated_at,
       annotations = excluded.annotations,
       status = CASE WHEN r.status = 'resolved' THEN r.status ELSE excluded.status END,
       ends_at = coalesce(r.ends_at, excluded.ends_at)`,
    [scope, source, JSON.stringify([...latest.values()]), now],
  );
  await sql.query(
    `DELETE FROM alert_received WHERE id IN (
       SELECT id FROM alert_received WHERE scope = $1 ORDER BY updated_at DESC, id DESC OFFSET ${KEPT})`,
    [scope],
  );
}
