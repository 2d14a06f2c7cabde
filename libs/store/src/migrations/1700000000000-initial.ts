import type { MigrationInterface, QueryRunner } from 'typeorm';

const REQUEST_SUMS = `
  requests bigint NOT NULL, errors bigint NOT NULL, rejections bigint NOT NULL, cancellations bigint NOT NULL,
  latency_sum float8 NOT NULL, latency_count bigint NOT NULL,
  duration_sum float8 NOT NULL, duration_count bigint NOT NULL,
  first_token_sum float8 NOT NULL, first_token_count bigint NOT NULL,
  per_token_sum float8 NOT NULL, per_token_count bigint NOT NULL,
  input_tokens bigint NOT NULL, output_tokens bigint NOT NULL, reasoning_tokens bigint NOT NULL,
  answers bigint NOT NULL, reasonings bigint NOT NULL,
  unclosed_reasonings bigint NOT NULL, empty_answers bigint NOT NULL, truncated bigint NOT NULL,
  repetition_sum float8 NOT NULL, repetition_count bigint NOT NULL,
  reasoning_share_sum float8 NOT NULL, reasoning_share_count bigint NOT NULL`;

const GAUGES = [
  'memory_used',
  'memory_total',
  'memory_ratio',
  'utilization',
  'memory_utilization',
  'temperature',
  'memory_temperature',
  'power',
  'power_limit',
];

/** Tables of facts partitioned by day with roll-ups by minute; alerts, their history and the outbox. */
export class Initial1700000000000 implements MigrationInterface {
  name = 'Initial1700000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE request (
        trace_id text NOT NULL, span_id text NOT NULL,
        started_at timestamptz NOT NULL, ended_at timestamptz NOT NULL,
        node text NOT NULL, engine text NOT NULL, model text NOT NULL, endpoint text NOT NULL, operation text NOT NULL,
        request_model text, response_model text, response_id text, conversation_id text, service text,
        stream boolean,
        outcome text NOT NULL CHECK (outcome IN ('ok', 'error', 'rejection', 'cancellation')),
        status_code int, error_type text, finish_reason text,
        duration float8 NOT NULL, response_latency float8, time_to_first_token float8, time_per_output_token float8,
        queue_duration float8,
        input_tokens int, output_tokens int, reasoning_tokens int,
        unclosed_reasoning boolean, empty_answer boolean, truncated boolean,
        repetition float8, reasoning_repetition float8, reasoning_share float8,
        PRIMARY KEY (ended_at, span_id, trace_id)
      ) PARTITION BY RANGE (ended_at)`);
    await runner.query(
      `CREATE INDEX request_conversation ON request (conversation_id, ended_at) WHERE conversation_id IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE request_minute (
        minute timestamptz NOT NULL,
        node text NOT NULL, engine text NOT NULL, model text NOT NULL, endpoint text NOT NULL, operation text NOT NULL,
        ${REQUEST_SUMS},
        PRIMARY KEY (minute, node, engine, model, endpoint, operation)
      )`);
    await runner.query(`
      CREATE TABLE gpu_sample (
        time timestamptz NOT NULL, node text NOT NULL, gpu text NOT NULL,
        uuid text, name text, driver text, source text NOT NULL, replay boolean NOT NULL,
        memory_used float8, memory_reserved float8, memory_total float8,
        utilization float8, memory_utilization float8, temperature float8, memory_temperature float8,
        power float8, power_limit float8, fan_speed float8, sm_clock float8, memory_clock float8,
        throttle_reasons jsonb NOT NULL, ecc_uncorrected float8, processes jsonb NOT NULL,
        PRIMARY KEY (time, node, gpu)
      ) PARTITION BY RANGE (time)`);
    const sums = GAUGES.map((g) => `${g}_sum float8 NOT NULL, ${g}_count bigint NOT NULL, ${g}_max float8`).join(', ');
    await runner.query(`
      CREATE TABLE gpu_minute (
        minute timestamptz NOT NULL, node text NOT NULL, gpu text NOT NULL, replay boolean NOT NULL,
        ${sums},
        PRIMARY KEY (minute, node, gpu, replay)
      )`);
    await runner.query(`
      CREATE TABLE alert (
        scope text NOT NULL, rule text NOT NULL, fingerprint text NOT NULL, labels jsonb NOT NULL,
        state text NOT NULL CHECK (state IN ('inactive', 'pending', 'firing', 'resolved', 'no_data')),
        since timestamptz NOT NULL, active_since timestamptz, fired_at timestamptz,
        value float8, seen_at timestamptz, evaluated_at timestamptz NOT NULL,
        PRIMARY KEY (scope, rule, fingerprint)
      )`);
    await runner.query(`
      CREATE TABLE alert_transition (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        scope text NOT NULL, rule text NOT NULL, fingerprint text NOT NULL, labels jsonb NOT NULL,
        from_state text NOT NULL, to_state text NOT NULL, at timestamptz NOT NULL, value float8, context jsonb NOT NULL
      )`);
    await runner.query(`CREATE INDEX alert_transition_by_time ON alert_transition (scope, at)`);
    await runner.query(`
      CREATE TABLE notification (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        scope text NOT NULL, transition_id bigint NOT NULL REFERENCES alert_transition ON DELETE CASCADE,
        channel text NOT NULL, idempotency_key text NOT NULL UNIQUE, payload jsonb NOT NULL,
        status text NOT NULL CHECK (status IN ('waiting', 'sent', 'dead')),
        attempts int NOT NULL DEFAULT 0, created_at timestamptz NOT NULL, next_attempt_at timestamptz NOT NULL,
        sent_at timestamptz, last_error text,
        UNIQUE (transition_id, channel)
      )`);
    await runner.query(
      `CREATE INDEX notification_waiting ON notification (scope, next_attempt_at) WHERE status = 'waiting'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'DROP TABLE notification, alert_transition, alert, gpu_minute, gpu_sample, request_minute, request',
    );
  }
}
