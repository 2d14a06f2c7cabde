import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What alerts need to stay firing for a while, to flap, and to wait for data; rules that were made through the API. */
export class Rules1700000500000 implements MigrationInterface {
  name = 'Rules1700000500000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE alert
        ADD COLUMN clear_since timestamptz,
        ADD COLUMN absent_since timestamptz,
        ADD COLUMN firings jsonb NOT NULL DEFAULT '[]'`);
    await runner.query(`
      CREATE TABLE team_rule (
        scope text NOT NULL, name text NOT NULL, source text NOT NULL, author text,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
        PRIMARY KEY (scope, name)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE team_rule');
    await runner.query('ALTER TABLE alert DROP COLUMN clear_since, DROP COLUMN absent_since, DROP COLUMN firings');
  }
}
