import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createStore } from './store.js';

/** A network that, told to, swallows every byte and closes nothing, as a firewall that forgot a connection does. */
async function startSwallower(target: string) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let swallows = false;
  const server = createServer((inner) => {
    const outer = connectTcp(Number(port), hostname);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (bytes) => void (swallows || to.write(bytes)));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    swallow: (on: boolean) => (swallows = on),
    /** Both ends of each connection that stands. */
    ends: () => sockets.size,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

let database: TestDatabase;
let network: Awaited<ReturnType<typeof startSwallower>>;
let store: DataSource;
beforeEach(async () => {
  database = await createTestDatabase();
  network = await startSwallower(database.url);
  store = createStore({ url: network.url, applicationName: 'test', poolSize: 1, statementSeconds: 1 });
  await store.initialize();
});
afterEach(async () => {
  await store.destroy();
  await network.stop();
  await database.drop();
});

it('a connection whose query got no answer is cut, and the next query gets one that lives', async () => {
  expect(await store.query('SELECT 1 AS n')).toEqual([{ n: 1 }]);
  expect(network.ends()).toBe(2);
  network.swallow(true);
  await expect(store.query('SELECT 2 AS n')).rejects.toThrow('Query read timeout');
  // Nobody but us can have closed it: the network says nothing.
  await until('the connection to be cut', () => network.ends() === 0);
  network.swallow(false);
  expect(await store.query('SELECT 3 AS n')).toEqual([{ n: 3 }]);
});

it('a query that PostgreSQL itself refuses or ends costs no connection', async () => {
  const [{ pid }] = await store.query('SELECT pg_backend_pid() AS pid');
  await expect(store.query('SELECT nothing')).rejects.toThrow('column "nothing" does not exist');
  await expect(store.query('SELECT pg_sleep(20)')).rejects.toThrow('statement timeout');
  expect(await store.query('SELECT pg_backend_pid() AS pid')).toEqual([{ pid }]);
});
