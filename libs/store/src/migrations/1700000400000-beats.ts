import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When each scope's rules were last evaluated, whether or not they have alerts. */
export class Beats1700000400000 implements MigrationInterface {
  name = 'Beats1700000400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE evaluation_beat (scope text PRIMARY KEY, at timestamptz NOT NULL)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE evaluation_beat');
  }
}
