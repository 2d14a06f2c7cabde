import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  url: string;
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]>;
  drop(): Promise<void>;
}

/** A new, empty database for one test file. `drop` fails when somebody still holds a connection to it: that is a leak. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = process.env.TEST_DATABASE_URL;
  if (!server) throw new Error('TEST_DATABASE_URL is not set: run the tests through vitest.config.ts at the root.');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withClient(server, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 2 });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    query: async (sql, values) => (await pool.query(sql, values)).rows as never,
    drop: async () => {
      await pool.end();
      await withClient(server, async (client) => {
        const leaked = 'SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = $1';
        for (let i = 0; i < 40 && (await client.query(leaked, [name])).rows[0].n > 0; i++)
          await new Promise((done) => setTimeout(done, 50));
        await client.query(`DROP DATABASE ${name}`);
      });
    },
  };
}

async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
