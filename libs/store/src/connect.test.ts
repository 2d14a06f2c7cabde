import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from './connect.js';
import { connectionProblem, whyAway } from './connection-problem.js';
import { createStore } from './store.js';

/** What PostgreSQL 17 answers to a connection while it recovers. */
function startingUp(): Buffer {
  const fields = ['SFATAL', 'VFATAL', 'C57P03', 'Mthe database system is starting up', ''];
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(''));
  const head = Buffer.from('E\0\0\0\0');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** A way to the database on which the first connections meet what `greet` makes of them. */
async function startFront(first: number, greet: (socket: Socket) => void) {
  const target = new URL(database.url);
  const sockets = new Set<Socket>();
  let left = first;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    if (left-- > 0) return greet(socket);
    const inner = connectTcp(Number(target.port), target.hostname);
    inner.on('error', () => socket.destroy());
    socket.on('close', () => inner.destroy());
    socket.pipe(inner).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    sockets,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Connects, and notes what was told. */
function attempt(url: string, seconds: number) {
  const store = createStore({ url, applicationName: 'test' });
  const said: string[] = [];
  const stopping = new AbortController();
  const done = connect(store, url, { seconds, signal: stopping.signal, onWait: (sentence) => said.push(sentence) });
  return { store, said, stopping, done };
}

describe('a server that is away', () => {
  it.each<[string, string, (socket: Socket) => void]>([
    ['is starting up', 'it takes no connections yet', (socket) => socket.once('data', () => socket.end(startingUp()))],
    ['hangs up', 'connection (closed|reset)', (socket) => socket.destroy()],
  ])('one that %s is waited for, and one sentence says so', async (_, reason, greet) => {
    const front = await startFront(2, greet);
    const { store, said, done } = attempt(front.url, 600);
    await done;
    expect(await store.query('SELECT count(*)::int AS n FROM request')).toEqual([{ n: 0 }]);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      new RegExp(
        `^PostgreSQL at 127\\.0\\.0\\.1:\\d+/\\w+ does not answer yet \\(${reason}\\); it is waited for, \\d+ s`,
      ),
    );
    await store.destroy();
    await front.stop();
  });

  it('is waited for no longer than is asked', async () => {
    const url = 'postgres://u:hidden@127.0.0.1:1/x';
    const { said, done } = attempt(url, 0.1);
    const error = await done.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(connectionProblem(error, url)).toBe(
      'No PostgreSQL answers at 127.0.0.1:1/x. Start it, or correct DATABASE_URL.',
    );
    expect(said).toEqual([expect.stringContaining('(connection refused)')]);
    expect(said.join()).not.toContain('hidden');
  });

  it('that says nothing keeps nobody who wants to stop', async () => {
    const front = await startFront(Infinity, (socket) => socket.resume());
    const { said, stopping, done } = attempt(front.url, 600);
    void until('the connection', () => front.sockets.size === 1).then(() => stopping.abort());
    await expect(done).rejects.toMatchObject({ name: 'AbortError' });
    await until('the connection to be cut', () => front.sockets.size === 0);
    expect(said).toEqual([]);
    await front.stop();
  });

  it('is one that is not there, not there yet, or not found', () => {
    const coded = (code: string) => Object.assign(new Error('x'), { code });
    expect(whyAway(coded('ENOTFOUND'))).toBe('its name is not known');
    expect(whyAway(coded('EAI_AGAIN'))).toBe('its name is not known');
    expect(whyAway(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]))).toBe('connection refused');
    expect(whyAway(new Error('timeout expired'))).toBe('no answer in time');
    for (const code of ['28P01', '28000', '3D000', '42501', '53100', '25006'])
      expect(whyAway(coded(code))).toBeUndefined();
  });
});

describe('a server that refuses', () => {
  it('is not waited for', async () => {
    const { said, done } = attempt(database.url.replace(/\/\w+$/, '/nowhere'), 600);
    await expect(done).rejects.toMatchObject({ code: '3D000' });
    expect(said).toEqual([]);
  });
});
