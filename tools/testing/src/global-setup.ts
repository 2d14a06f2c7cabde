import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresServer } from '@vigil/postgres';

/**
 * Vitest's global set-up: one real PostgreSQL for the whole run, on a free port, gone afterwards.
 * `TEST_DATABASE_URL` names another one instead (its user must be allowed to make databases).
 */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env.TEST_DATABASE_URL) return async () => undefined;
  const folder = await mkdtemp(join(tmpdir(), 'vigil-test-postgres-'));
  await chmod(folder, 0o755);
  const server = await PostgresServer.prepare({
    folder: join(folder, 'data'),
    port: 0,
    settings: { fsync: 'off', max_connections: '200' },
  });
  await server.start('postgres');
  process.env.TEST_DATABASE_URL = server.url('postgres');
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
