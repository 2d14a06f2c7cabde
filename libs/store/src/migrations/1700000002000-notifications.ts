import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Groups of alerts that receivers are told of, silences, and what the outbox needs for both. */
export class Notifications1700000002000 implements MigrationInterface {
  name = 'Notifications1700000002000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE notification
        DROP CONSTRAINT notification_transition_id_channel_key,
        DROP CONSTRAINT notification_status_check,
        ADD CONSTRAINT notification_status_check CHECK (status IN ('waiting', 'sent', 'dead', 'held', 'skipped')),
        ALTER COLUMN transition_id DROP NOT NULL,
        ADD COLUMN kind text NOT NULL DEFAULT 'change' CHECK (kind IN ('change', 'repeat')),
        ADD COLUMN transitions bigint[] NOT NULL DEFAULT '{}',
        ADD COLUMN group_key text,
        ADD COLUMN episode text,
        ADD COLUMN reference jsonb,
        ADD COLUMN queued_at timestamptz NOT NULL DEFAULT now()`);
    await runner.query('UPDATE notification SET transitions = ARRAY[transition_id], queued_at = created_at');
    await runner.query(
      `CREATE UNIQUE INDEX notification_once ON notification (transition_id, channel) WHERE kind = 'change'`,
    );
    await runner.query('CREATE INDEX notification_about ON notification USING gin (transitions)');
    await runner.query(
      `CREATE INDEX notification_unsent ON notification (scope, status, id) WHERE status IN ('dead', 'held')`,
    );
    await runner.query('CREATE INDEX notification_group_key ON notification (scope, channel, group_key)');
    await runner.query(
      'CREATE INDEX notification_episode ON notification (scope, channel, episode) WHERE episode IS NOT NULL',
    );
    await runner.query(`
      CREATE TABLE notification_group (
        scope text NOT NULL, channel text NOT NULL, group_key text NOT NULL,
        labels jsonb NOT NULL, episode text NOT NULL,
        told_at timestamptz, flush_at timestamptz, next_at timestamptz, updated_at timestamptz NOT NULL,
        PRIMARY KEY (scope, channel, group_key)
      )`);
    await runner.query(
      'CREATE INDEX notification_group_due ON notification_group (scope, next_at) WHERE next_at IS NOT NULL',
    );
    await runner.query(`
      CREATE TABLE notification_item (
        scope text NOT NULL, channel text NOT NULL, group_key text NOT NULL, rule text NOT NULL, fingerprint text NOT NULL,
        message jsonb NOT NULL, told text, pending bigint[] NOT NULL,
        PRIMARY KEY (scope, channel, rule, fingerprint),
        FOREIGN KEY (scope, channel, group_key) REFERENCES notification_group ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX notification_item_of_group ON notification_item (scope, channel, group_key)');
    await runner.query('CREATE INDEX notification_item_of_alert ON notification_item (scope, rule, fingerprint)');
    await runner.query(`
      CREATE TABLE silence (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        scope text NOT NULL, match jsonb NOT NULL, "unless" jsonb NOT NULL,
        starts_at timestamptz NOT NULL, ends_at timestamptz NOT NULL, reason text NOT NULL, created_by text,
        created_at timestamptz NOT NULL,
        CHECK (ends_at >= starts_at)
      )`);
    await runner.query('CREATE INDEX silence_by_end ON silence (scope, ends_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE silence, notification_item, notification_group');
    await runner.query(
      `DELETE FROM notification WHERE transition_id IS NULL OR kind <> 'change' OR status IN ('held', 'skipped')`,
    );
    await runner.query(`
      ALTER TABLE notification
        DROP CONSTRAINT notification_status_check,
        ADD CONSTRAINT notification_status_check CHECK (status IN ('waiting', 'sent', 'dead')),
        DROP COLUMN kind, DROP COLUMN transitions, DROP COLUMN group_key, DROP COLUMN episode, DROP COLUMN reference,
        DROP COLUMN queued_at,
        ALTER COLUMN transition_id SET NOT NULL,
        ADD CONSTRAINT notification_transition_id_channel_key UNIQUE (transition_id, channel)`);
  }
}
