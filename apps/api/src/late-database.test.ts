import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresServer } from '@vigil/postgres';
import { until } from '@vigil/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiProcess } from './testing-process.js';

let folder: string;
let server: PostgresServer;
let running: ApiProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-late-'));
  await chmod(folder, 0o755);
  server = await PostgresServer.prepare({ folder: join(folder, 'postgres'), port: 0, settings: { fsync: 'off' } });
});
afterEach(async () => {
  await Promise.all(running.map((api) => api.end('SIGKILL')));
  running = [];
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** On the database that every server has from its first moment on. */
function run(env: Record<string, string> = {}): ApiProcess {
  const api = ApiProcess.run({ DATABASE_URL: server.url('postgres'), ...env });
  running.push(api);
  return api;
}

const WAITS =
  /PostgreSQL at 127\.0\.0\.1:\d+\/postgres does not answer yet \(connection refused\); it is waited for, \d+ s/;
const waits = (api: ApiProcess) => until('the API to wait', () => WAITS.test(api.output));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

describe('PostgreSQL is away when the API starts', () => {
  it('a stop ends the wait at once', async () => {
    const api = run({ DATABASE_WAIT: '1h' });
    await waits(api);
    expect(await api.end('SIGTERM')).toBe(0);
    expect(api.output).not.toContain('Start it, or correct');
  });

  it('after DATABASE_WAIT it ends, and says why', async () => {
    const api = run({ DATABASE_WAIT: '100ms' });
    await once(api.child, 'close');
    expect(api.child.exitCode).toBe(1);
    expect(api.output).toMatch(WAITS);
    expect(api.failure).toMatch(
      /^No PostgreSQL answers at 127\.0\.0\.1:\d+\/postgres\. Start it, or correct DATABASE_URL\.$/,
    );
  });

  it('the API waits: it lives and is not ready, and serves once PostgreSQL does', async () => {
    const port = await freePort();
    const api = run({ API_PORT: String(port) });
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await waits(api);
    expect((await get('/health/live')).status).toBe(200);
    expect((await get('/metrics')).status).toBe(200);
    const ill = await get('/health/ready');
    expect(ill.status).toBe(503);
    expect(await ill.json()).toMatchObject({ checks: { postgresql: { reason: expect.stringMatching(WAITS) } } });
    const rules = await get('/api/v1/rules');
    expect(rules.status).toBe(503);
    expect(await rules.json()).toMatchObject({ error: { code: 'database_unavailable' } });
    await server.start();
    await api.ready();
    expect((await get('/health/ready')).status).toBe(200);
    expect((await get('/api/v1/rules')).status).toBe(200);
    expect(await api.end()).toBe(0);
  });
});

describe('PostgreSQL answers, and refuses', () => {
  it.each<[string, () => string, string]>([
    [
      'a wrong password',
      () => server.url('postgres').replace(/:[^:@]*@/, ':hidden@'),
      'refuses the user or password of DATABASE_URL. Correct them.',
    ],
    ['an unknown database', () => server.url('nowhere'), 'has no such database. Create it, or correct DATABASE_URL.'],
  ])('%s ends the start, however long it would wait', async (_, url, sentence) => {
    await server.start();
    const api = run({ DATABASE_URL: url(), DATABASE_WAIT: '1h' });
    await once(api.child, 'close');
    expect(api.child.exitCode).toBe(1);
    expect(api.failure).toContain(sentence);
    expect(api.output).not.toMatch(/does not answer yet|hidden|\n\s+at /);
  });
});
