import { sumIntoMinutes, type connect } from '@vigil/store';

type Store = Parameters<typeof connect>[0];

export const ROWS = 10_000_000;
export const DAYS = 7;
const DAY = 86_400_000;

/**
 * So many requests over the last seven days, evenly, of four models on four nodes, with their minutes: by
 * `generate_series` into the real tables, a day at a time and two at once.
 */
export async function fillHistory(store: Store, now: Date, rows: number, say: (line: string) => void): Promise<void> {
  const spans = Array.from({ length: DAYS }, (_, i) => {
    const from = new Date(now.getTime() - (i + 1) * DAY);
    return { from, to: new Date(now.getTime() - i * DAY) };
  });
  for (let i = 0; i <= DAYS; i++) {
    const day = new Date(now.getTime() - i * DAY).toISOString().slice(0, 10);
    const next = new Date(Date.parse(day) + DAY).toISOString().slice(0, 10);
    await store.query(
      `CREATE TABLE IF NOT EXISTS request_${day.replaceAll('-', '_')} PARTITION OF request FOR VALUES FROM ('${day} 00:00+00') TO ('${next} 00:00+00')`,
    );
  }
  const left = [...spans];
  const work = async (): Promise<void> => {
    for (let span = left.pop(); span; span = left.pop()) {
      await insert(store, span.from, span.to, Math.ceil(rows / DAYS));
      say(`${DAYS - left.length} of ${DAYS} days are begun or done`);
    }
  };
  await Promise.all([work(), work()]);
  // A span begins and ends within a minute: sums are made once all rows are there.
  for (const { from, to } of spans) await sumIntoMinutes(store, 'request', floorMinute(from), floorMinute(to));
  await sumIntoMinutes(store, 'request', floorMinute(now), now);
  await store.query('VACUUM ANALYZE request');
  await store.query('ANALYZE request_minute');
}

const floorMinute = (time: Date): Date => new Date(Math.floor(time.getTime() / 60_000) * 60_000);

async function insert(store: Store, from: Date, to: Date, rows: number): Promise<void> {
  await store.query(
    `INSERT INTO request (trace_id, span_id, started_at, ended_at, node, engine, model, endpoint, operation, request_model,
       service, stream, outcome, status_code, error_type, finish_reason, duration, response_latency, time_to_first_token,
       time_per_output_token, queue_duration, input_tokens, output_tokens, reasoning_tokens, unclosed_reasoning, empty_answer,
       truncated, repetition, reasoning_share)
     SELECT md5(i::text || $1::text), lpad(to_hex(i), 16, '0'), at - interval '2 s', at, 'node-' || i % 4, 'vllm', 'model-' || i % 4,
       'node:8000', 'chat', 'model-' || i % 4, 'bench', true, CASE WHEN i % 100 = 0 THEN 'error' ELSE 'ok' END,
       CASE WHEN i % 100 = 0 THEN 500 ELSE 200 END, CASE WHEN i % 100 = 0 THEN 'engine_died' END, 'stop',
       1 + i % 7, 0.2 + (i % 11) * 0.01, 0.2 + (i % 11) * 0.01, 0.02, (i % 5) * 0.01, 100, 200, 80, false, false, false, 0.1, 0.4
     FROM generate_series(1, $3::int) AS i, LATERAL (SELECT $1::timestamptz + ($2::timestamptz - $1::timestamptz) * (i::float8 / ($3 + 1)) AS at) AS t`,
    [from, to, rows],
  );
}
