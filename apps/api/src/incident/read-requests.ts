import type { Matchers } from '@vigil/signals';
import type { Sql } from '../database.js';
import type { GpuEvent, RequestExample, Requests } from './types.js';

/** Requests that are looked at, the latest first, and how many of each kind are kept. */
const MOST_REQUESTS = 50_000;
const KEPT = 5;
/** From so much repetition on (rep-4) an answer goes round in circles. */
const LOOPING = 0.5;
const EVENTS = 10;

/** What makes a request slow, in the eyes of an alert on this signal. */
const SLOWNESS: Readonly<Record<string, string>> = {
  'request.duration.mean': 'duration',
  'request.queue.mean': 'queue_duration',
  'request.per_output_token.mean': 'time_per_output_token',
};

const COLUMNS = `trace_id, span_id, response_id, conversation_id, model, node, ended_at, outcome, error_type, status_code,
  duration, response_latency, queue_duration, time_per_output_token, output_tokens,
  greatest(repetition, reasoning_repetition) AS repetition`;

interface Row {
  kind: 'slowest' | 'failures' | 'loops' | 'sums';
  value: unknown;
}

/** The requests behind an alert: the slowest, the latest that failed, those that went round in circles. */
export async function readRequests(
  sql: Sql,
  { from, to, matchers, signal }: { from: Date; to: Date; matchers: Matchers; signal: string },
): Promise<Requests> {
  const values: unknown[] = [from, to];
  const where = Object.entries(matchers).map(([label, value]) => ` AND ${label} = $${values.push(value)}`);
  const slowness = SLOWNESS[signal] ?? 'coalesce(response_latency, duration)';
  const kept = (kind: string, condition: string, order: string): string =>
    `(SELECT '${kind}' AS kind, to_jsonb(found) AS value FROM seen AS found WHERE ${condition} ORDER BY ${order} LIMIT ${KEPT})`;
  const rows = (await sql.query(
    `WITH seen AS MATERIALIZED (
       SELECT ${COLUMNS} FROM request WHERE ended_at >= $1 AND ended_at < $2${where.join('')}
       ORDER BY ended_at DESC LIMIT ${MOST_REQUESTS})
     SELECT 'sums' AS kind, jsonb_build_object('total', count(*), 'failed', count(*) FILTER (WHERE outcome = 'error'),
       'looping', count(*) FILTER (WHERE repetition >= ${LOOPING}), 'errors', (
         SELECT coalesce(jsonb_agg(e ORDER BY e.count DESC, e.type), '[]') FROM (
           SELECT coalesce(error_type, 'unknown') AS type, count(*)::int AS count FROM seen WHERE outcome = 'error'
           GROUP BY 1 ORDER BY 2 DESC LIMIT 5) AS e)) AS value FROM seen
     UNION ALL ${kept('slowest', `outcome <> 'error' AND ${slowness} IS NOT NULL`, `${slowness} DESC`)}
     UNION ALL ${kept('failures', `outcome = 'error'`, 'ended_at DESC')}
     UNION ALL ${kept('loops', `repetition >= ${LOOPING}`, 'repetition DESC, ended_at DESC')}`,
    values,
  )) as Row[];
  const sums = rows.find(({ kind }) => kind === 'sums')!.value as Pick<
    Requests,
    'total' | 'failed' | 'looping' | 'errors'
  >;
  const of = (kind: Row['kind']): RequestExample[] =>
    rows.filter((row) => row.kind === kind).map(({ value }) => toExample(value as Record<string, never>));
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    ...sums,
    slowest: of('slowest'),
    failures: of('failures'),
    loops: of('loops'),
    isCut: sums.total >= MOST_REQUESTS,
  };
}

const toExample = (row: Record<string, never>): RequestExample => ({
  traceId: row.trace_id!,
  spanId: row.span_id!,
  responseId: row.response_id!,
  conversationId: row.conversation_id!,
  model: row.model!,
  node: row.node!,
  endedAt: new Date(row.ended_at!).toISOString(),
  outcome: row.outcome!,
  errorType: row.error_type!,
  statusCode: row.status_code!,
  duration: row.duration!,
  responseLatency: row.response_latency!,
  queueDuration: row.queue_duration!,
  timePerOutputToken: row.time_per_output_token!,
  outputTokens: row.output_tokens!,
  repetition: row.repetition!,
});

/** What befell GPUs in this time, on the alert's node where it names one. */
export async function readEvents(
  sql: Sql,
  from: Date,
  to: Date,
  labels: Readonly<Record<string, string>>,
): Promise<GpuEvent[]> {
  const rows = (await sql.query(
    `SELECT time, node, gpu, kind, code, meaning, replay FROM gpu_event
     WHERE time >= $1 AND time < $2 AND ($3::text IS NULL OR node = $3) AND ($4::text IS NULL OR gpu IS NULL OR gpu = $4)
     ORDER BY time LIMIT ${EVENTS}`,
    [from, to, labels.node ?? null, labels.gpu ?? null],
  )) as (Omit<GpuEvent, 'time'> & { time: Date })[];
  return rows.map((row) => ({ ...row, time: row.time.toISOString() }));
}
