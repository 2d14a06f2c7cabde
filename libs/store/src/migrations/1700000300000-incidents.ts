import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Why alerts fired, alerts that others decide on, and the time that requests wait in the queue, by minute. */
export class Incidents1700000300000 implements MigrationInterface {
  name = 'Incidents1700000300000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE request_minute
        ADD COLUMN queue_sum float8 NOT NULL DEFAULT 0, ADD COLUMN queue_count bigint NOT NULL DEFAULT 0`);
    await runner.query(`
      CREATE TABLE alert_incident (
        transition_id bigint PRIMARY KEY REFERENCES alert_transition ON DELETE CASCADE,
        scope text NOT NULL, rule text NOT NULL, fingerprint text NOT NULL,
        fired_at timestamptz NOT NULL, resolved_at timestamptz, updated_at timestamptz NOT NULL,
        lines jsonb NOT NULL, detail jsonb NOT NULL
      )`);
    await runner.query('CREATE INDEX alert_transition_of_alert ON alert_transition (scope, rule, fingerprint, id)');
    await runner.query(
      'CREATE INDEX alert_incident_open ON alert_incident (scope, transition_id) WHERE resolved_at IS NULL',
    );
    await runner.query(`
      CREATE TABLE alert_received (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        scope text NOT NULL, source text NOT NULL, fingerprint text NOT NULL,
        alertname text NOT NULL, severity text, labels jsonb NOT NULL, annotations jsonb NOT NULL,
        status text NOT NULL CHECK (status IN ('firing', 'resolved')),
        starts_at timestamptz NOT NULL, ends_at timestamptz, generator_url text,
        received_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
        UNIQUE (scope, source, fingerprint, starts_at)
      )`);
    await runner.query('CREATE INDEX alert_received_by_time ON alert_received (updated_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE alert_received, alert_incident');
    await runner.query('DROP INDEX alert_transition_of_alert');
    await runner.query('ALTER TABLE request_minute DROP COLUMN queue_sum, DROP COLUMN queue_count');
  }
}
