import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PostgresServer } from './server.js';
import { isOpenTo } from './system-user.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-postgres-'));
  await chmod(folder, 0o755);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const prepare = (port = 0) =>
  PostgresServer.prepare({ folder: join(folder, 'data'), port, settings: { fsync: 'off' } });

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('the embedded PostgreSQL', () => {
  it('starts, whoever runs it, and keeps its data and password over a restart', async () => {
    const first = await prepare();
    await first.start();
    await ask(first.url(), 'CREATE TABLE t AS SELECT 42 AS n');
    await first.stop();
    const second = await prepare();
    await second.start();
    expect(await ask(second.url(), 'SELECT n FROM t')).toEqual([{ n: 42 }]);
    await second.stop();
    expect((await stat(`${second.folder}.password`)).mode & 0o777).toBe(0o600);
  });

  it('ends a server that outlived its launcher, and loses nothing that was committed', async () => {
    const left = await prepare();
    await left.start();
    await ask(left.url(), 'CREATE TABLE t AS SELECT 1 AS n');
    const next = await prepare();
    await next.start();
    expect(next.pid).not.toBe(left.pid);
    expect(await ask(next.url(), 'SELECT n FROM t')).toEqual([{ n: 1 }]);
    await next.stop();
  });

  it('comes back after SIGKILL', async () => {
    const server = await prepare();
    const child = await server.start();
    await ask(server.url(), 'CREATE TABLE t AS SELECT 1 AS n');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await server.start();
    expect(await ask(server.url(), 'SELECT n FROM t')).toEqual([{ n: 1 }]);
    await server.stop();
  });

  it('comes back once the sessions of a killed one are gone', async () => {
    const server = await prepare();
    const child = await server.start();
    const client = new pg.Client({ connectionString: server.url() });
    client.on('error', () => undefined);
    await client.connect();
    const [{ pid }] = (await client.query('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }];
    process.kill(pid, 'SIGSTOP');
    child.kill('SIGKILL');
    await once(child, 'exit');
    let back = false;
    const start = server.start().then(() => (back = true));
    await new Promise((done) => setTimeout(done, 1500));
    expect(back).toBe(false);
    process.kill(pid, 'SIGCONT');
    await start;
    expect(await ask(server.url(), 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    await server.stop();
  });

  it('is ended outright when it hangs, and loses nothing that was committed', async () => {
    const server = await prepare();
    const child = await server.start();
    await ask(server.url(), 'CREATE TABLE t AS SELECT 1 AS n');
    child.kill('SIGSTOP');
    await server.stop();
    expect(child.signalCode).toBe('SIGKILL');
    await server.start();
    expect(await ask(server.url(), 'SELECT n FROM t')).toEqual([{ n: 1 }]);
    await server.stop();
  });

  it('refuses a wrong password', async () => {
    const server = await prepare();
    await server.start();
    const url = new URL(server.url());
    url.password = 'wrong';
    await expect(ask(url.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    await server.stop();
  });

  it('names a taken port', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const server = await prepare(port);
    await expect(server.start()).rejects.toThrow(`Port ${port} on 127.0.0.1 is taken.`);
    taken.close();
  });

  it('leaves data of another major version alone', async () => {
    const server = await prepare();
    const file = join(server.folder, 'PG_VERSION');
    const version = (await readFile(file, 'utf8')).trim();
    await writeFile(file, '12\n');
    await expect(prepare()).rejects.toThrow(`holds data of PostgreSQL 12, and this Vigil brings PostgreSQL ${version}`);
  });

  it('knows a folder that others may not enter', async () => {
    expect(await isOpenTo(join(folder, 'x'))).toBe(true);
    await chmod(folder, 0o700);
    expect(await isOpenTo(join(folder, 'a', 'b'))).toBe(false);
  });
});
