import { mkdtemp, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@vigil/service';
import { Spool, SpoolFullError } from '@vigil/spool';
import type { RequestRow } from '@vigil/store';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { operationOf, toRequest } from '../receive/genai.js';
import { decodeJson } from '../receive/json.js';
import { scoreSpan } from '../score/score.js';
import { chatSpan, jsonBody, seriesOf, toOtlp } from '../testing.js';
import { backoffMs } from './backoff.js';
import { isRowsFault } from './isolate.js';
import { StoreLink } from './store-link.js';
import { TableWriter } from './table-writer.js';
import { REQUESTS } from './tables.js';
import { WriteMetrics } from './write-metrics.js';

const log = createLogger('test', 'fatal');
const AWAY = 'postgres://nobody@127.0.0.1:1/none';

function row(change: Partial<RequestRow> = {}): RequestRow {
  const [span] = decodeJson(jsonBody(toOtlp([chatSpan()])));
  const made = toRequest(span!, operationOf(span!)!, { labels: (labels) => labels, score: scoreSpan });
  return { ...made, ...change };
}

let database: TestDatabase;
let folder: string;
let cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'vigil-writer-'));
});
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  cleanups = [];
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function open(
  url: string,
  whenFull: 'refuse' | 'displace' = 'refuse',
  maxBytes = 2 ** 20,
  beforeStart: () => Promise<void> = async () => undefined,
) {
  const registry = new Registry();
  const metrics = new WriteMetrics(registry);
  const link = new StoreLink(url, log);
  const spool = await Spool.open(folder, { maxBytes, fsync: false });
  metrics.watch(link, { request: spool });
  const writer = new TableWriter({ table: REQUESTS, link, spool, whenFull, metrics, log });
  cleanups.push(
    () => link.close(),
    () => writer.close(),
  );
  await beforeStart();
  await link.start();
  const metric = async (name: string, labels = {}) => seriesOf(await registry.metrics(), name, labels);
  const dropped = (reason: string) => metric('vigil_rows_dropped_total', { table: 'request', reason });
  return { writer, link, spool, metric, dropped };
}

const stored = async () =>
  (await database.query<{ id: string }>('SELECT span_id AS id FROM request ORDER BY 1')).map(({ id }) => id);
const ids = (rows: readonly RequestRow[]) => rows.map((r) => r.spanId).toSorted();

describe('a row that PostgreSQL refuses', () => {
  const poisoned = () => [row({ statusCode: 2 ** 40 }), row({ outcome: 'no such outcome' as never })];

  it('is given up alone, and counted', async () => {
    const { writer, metric, dropped } = await open(database.url);
    const good = Array.from({ length: 100 }, () => row());
    const [a, b] = poisoned();
    await writer.add([...good.slice(0, 33), a!, ...good.slice(33, 34), b!, ...good.slice(34)]);
    expect(await stored()).toEqual(ids(good));
    expect(await dropped('refused')).toBe(2);
    expect(await metric('vigil_rows_written_total', { table: 'request' })).toBe(100);
    expect(await metric('vigil_store_up')).toBe(1);
  });

  it('does not hold up what waits on disk', async () => {
    const good = [row(), row()];
    const away = await open(AWAY);
    await away.writer.add([good[0]!, ...poisoned()]);
    await away.writer.add([good[1]!]);
    const { spool, dropped } = await open(database.url);
    await until('the spool to be empty', () => spool.length === 0);
    expect(await stored()).toEqual(ids(good));
    expect(await dropped('refused')).toBe(2);
  });

  it('is told from a fault of the database', () => {
    const fault = (code?: string) => isRowsFault(Object.assign(new Error('x'), { code }));
    expect(['22003', '22P02', '23514', '54000'].map(fault)).toEqual([true, true, true, true]);
    expect(['42P01', '42501', '57P01', '40P01', 'ECONNREFUSED', undefined].map(fault)).not.toContain(true);
  });
});

describe('a database that is out of order', () => {
  it('costs no row: they wait until it is mended', async () => {
    const { writer, spool, dropped, metric } = await open(database.url);
    await database.query('ALTER TABLE request RENAME TO elsewhere');
    const rows = [row(), row()];
    await writer.add(rows);
    expect(spool.length).toBe(1);
    expect(await metric('vigil_store_up')).toBe(0);
    await database.query('ALTER TABLE elsewhere RENAME TO request');
    await until('the spool to be empty', () => spool.length === 0);
    expect(await stored()).toEqual(ids(rows));
    expect(await dropped('refused')).toBe(0);
  });

  it('so that it does not answer, does not keep senders waiting', async () => {
    const { writer, spool } = await open(database.url);
    await writer.add([row()]);
    const lock = new StoreLink(database.url, log);
    await lock.start();
    cleanups.push(() => lock.close());
    const holder = lock.store.createQueryRunner();
    await holder.startTransaction();
    await holder.query('LOCK TABLE request_minute IN ACCESS EXCLUSIVE MODE');
    await writer.add([row()]);
    expect(spool.length).toBe(1);
    await holder.rollbackTransaction();
    await holder.release();
    await until('the spool to be empty', () => spool.length === 0);
    const [sum] = await database.query('SELECT sum(requests)::int AS n FROM request_minute');
    expect(sum).toEqual({ n: 2 });
    expect(await stored()).toHaveLength(2);
  });
});

describe('the spool', () => {
  it('that is full refuses, or the oldest give way', async () => {
    const size = REQUESTS.encode([row()]).byteLength + 50;
    const refusing = await open(AWAY, 'refuse', size * 2);
    await refusing.writer.add([row()]);
    await refusing.writer.add([row()]);
    await expect(refusing.writer.add([row()])).rejects.toThrow(SpoolFullError);
    await rm(folder, { recursive: true });

    const displacing = await open(AWAY, 'displace', size * 2);
    const rows = Array.from({ length: 6 }, () => row());
    for (const one of rows) await displacing.writer.add([one]);
    expect(await displacing.dropped('displaced')).toBe(4);
    // More than there is room for at all is refused nevertheless.
    await expect(displacing.writer.add(Array.from({ length: 9 }, () => row()))).rejects.toThrow(SpoolFullError);
    await displacing.writer.add(rows.slice(5));
    const { spool } = await open(database.url);
    await until('the spool to be empty', () => spool.length === 0);
    expect(await stored()).toEqual(ids(rows.slice(5)));
  });

  it('a reading that the disk does not take either is counted', async () => {
    const { writer, dropped } = await open(AWAY, 'displace');
    await rm(folder, { recursive: true });
    await expect(writer.add([row(), row()])).rejects.toThrow('ENOENT');
    expect(await dropped('unsaved')).toBe(2);
  });

  it('with damaged and missing files goes on with the others', async () => {
    const away = await open(AWAY);
    const rows = [row(), row(), row()];
    for (const one of rows) await away.writer.add([one]);
    const [first] = (await readdir(folder)).toSorted();
    await writeFile(
      join(folder, '00000000000000-00000000-000000.entry'),
      '{"version":1,"table":"request","rows":[{}]}',
    );
    await writeFile(join(folder, '00000000000000-00000001-000000.entry'), 'not JSON');
    await writeFile(join(folder, '00000000000000-00000002-000000.entry'), '{"version":9,"table":"request","rows":[]}');
    const takeAway = () => unlink(join(folder, first!));
    const { spool, dropped } = await open(database.url, 'refuse', 2 ** 20, takeAway);
    await until('the spool to be empty', () => spool.length === 0);
    expect(await stored()).toEqual(ids(rows.slice(1)));
    expect(await dropped('unreadable')).toBe(4);
    expect(await readdir(folder)).toEqual([]);
  });

  it('holds what the rows were, to the millisecond', () => {
    const rows = [row(), row({ conversationId: 'x', stream: null })];
    expect(REQUESTS.decode(REQUESTS.encode(rows))).toEqual(rows);
  });
});

describe('many senders at once', () => {
  it('share bulk writes, and each is answered', async () => {
    const { writer, metric } = await open(database.url);
    const batches = Array.from({ length: 300 }, () => [row(), row(), row()]);
    await Promise.all(batches.map((batch) => writer.add(batch)));
    expect(await stored()).toEqual(ids(batches.flat()));
    expect(await metric('vigil_write_duration_seconds_count', { table: 'request' })).toBeLessThan(30);
  });
});

describe('backoffMs', () => {
  it('doubles from half a second to ten', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 1e9].map(backoffMs)).toEqual([
      500, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000,
    ]);
  });
});
