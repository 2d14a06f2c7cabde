import type { MigrationInterface, QueryRunner } from 'typeorm';

const GAUGES = ['running', 'waiting', 'kv_cache_ratio', 'preemption_rate'];

/** What engines say of their queue and KV cache. */
export class Engines1700000600000 implements MigrationInterface {
  name = 'Engines1700000600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE engine_sample (
        time timestamptz NOT NULL, node text NOT NULL, server text NOT NULL, model text NOT NULL, kind text NOT NULL,
        ${GAUGES.map((gauge) => `${gauge} float8`).join(', ')},
        PRIMARY KEY (time, node, server, model)
      ) PARTITION BY RANGE (time)`);
    await runner.query(`
      CREATE TABLE engine_minute (
        minute timestamptz NOT NULL, node text NOT NULL, server text NOT NULL, model text NOT NULL,
        ${GAUGES.map((gauge) => `${gauge}_sum float8 NOT NULL, ${gauge}_count bigint NOT NULL`).join(', ')},
        PRIMARY KEY (minute, node, server, model)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE engine_minute, engine_sample');
  }
}
