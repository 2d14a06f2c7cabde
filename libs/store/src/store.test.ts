import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import { findSignal, SIGNALS, type Aggregate } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeGpuSamples, writeRequests } from './bulk.js';
import { dropExpired } from './partitions.js';
import { readLatest, readSeries, readWindow } from './query/index.js';
import type { GpuSampleRow, RequestRow } from './rows.js';
import { connect } from './connect.js';
import { createStore } from './store.js';
import { gpuRow, requestRow } from './testing.js';

const at = (text: string) => new Date(`2026-03-01T${text}Z`);

/** The same number names the same request. */
const request = (n: number, change: Partial<RequestRow> = {}): RequestRow =>
  requestRow({
    traceId: n.toString(16).padStart(32, '0'),
    spanId: n.toString(16).padStart(16, '0'),
    startedAt: at('10:00:00'),
    endedAt: at('10:00:30'),
    ...change,
  });

const gpu = (time: Date, memoryUsed: number | null, change: Partial<GpuSampleRow> = {}): GpuSampleRow =>
  gpuRow(0, { time, node: 'a', memoryUsed, memoryTotal: 100, ...change });

const signal = (id: string) => findSignal(id)!;

let database: TestDatabase;
let store: DataSource;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
});

describe('the schema', () => {
  it('is the same whether one process migrates or two do at once', async () => {
    const other = createStore({ url: database.url, applicationName: 'test 2' });
    await Promise.all([connect(other, database.url), connect(store, database.url)]);
    expect(await other.showMigrations()).toBe(false);
    await other.destroy();
  });

  it('has the columns that the entities name', async () => {
    for (const { tableName, columns } of store.entityMetadatas) {
      const found = await database.query('SELECT column_name FROM information_schema.columns WHERE table_name = $1', [
        tableName,
      ]);
      expect(columns.map((c) => c.databaseName).toSorted(), tableName).toEqual(
        found.map((r) => r.column_name).toSorted(),
      );
    }
  });
});

describe('requests', () => {
  const before = { from: at('10:00:00'), to: at('10:05:00'), by: [] };

  it('are stored once however often they are sent, and counted once', async () => {
    const batch = [
      request(1),
      request(2, { outcome: 'error', errorType: 'engine_died', responseLatency: null }),
      request(2),
    ];
    expect(await writeRequests(store, batch)).toBe(2);
    expect(await writeRequests(store, batch)).toBe(0);
    expect(await writeRequests(store, [request(2), request(3)])).toBe(1);
    const [value] = await readWindow(store, signal('request.error.ratio'), before);
    expect(value).toEqual({ labels: {}, value: 1 / 3, samples: 3 });
  });

  it('give the same figure from roll-ups, from rows, and from both', async () => {
    await writeRequests(store, [
      request(10, { endedAt: at('10:59:59.5'), responseLatency: 9 }),
      request(11, { endedAt: at('11:00:00'), responseLatency: 1 }),
      request(12, { endedAt: at('11:02:10'), responseLatency: 2 }),
      request(13, { endedAt: at('11:03:20'), responseLatency: 6 }),
      request(14, { endedAt: at('11:03:40'), responseLatency: 9 }),
    ]);
    const latency = signal('response.latency.mean');
    const exact = await readWindow(store, latency, { from: at('11:00:00'), to: at('11:03:30'), by: [] });
    expect(exact).toEqual([{ labels: {}, value: 3, samples: 3 }]);
    const inside = await readWindow(store, latency, { from: at('11:03:10'), to: at('11:03:50'), by: ['model'] });
    expect(inside).toEqual([{ labels: { model: 'm' }, value: 7.5, samples: 2 }]);
    const minutes = await readSeries(store, latency, { from: at('11:00:00'), to: at('11:04:00'), by: [], step: 60 });
    expect(minutes.map((p) => [p.time.toISOString().slice(14, 16), p.value])).toEqual([
      ['00', 1],
      ['02', 2],
      ['03', 7.5],
    ]);
    const short = await readSeries(store, latency, { from: at('11:03:00'), to: at('11:04:00'), by: [], step: 30 });
    expect(short.map((p) => p.value)).toEqual([6, 9]);
  });

  it('have percentiles and extremes, over a window and by step, of those that have the value', async () => {
    const latencies = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, null];
    await writeRequests(
      store,
      latencies.map((responseLatency, i) =>
        request(40 + i, { endedAt: at(`12:30:${10 + 4 * i}`), model: 'spread', responseLatency }),
      ),
    );
    const window = { from: at('12:30:00'), to: at('12:31:00'), by: ['model'], matchers: { model: 'spread' } } as const;
    const ask = async (aggregate: Aggregate) =>
      (await readWindow(store, signal('response.latency.mean'), { ...window, aggregate }))[0];
    expect(await ask('p50')).toEqual({ labels: { model: 'spread' }, value: 5.5, samples: 10 });
    expect((await ask('p95'))!.value).toBeCloseTo(9.55);
    expect([(await ask('max'))!.value, (await ask('mean'))!.value]).toEqual([10, 5.5]);
    const steps = await readSeries(store, signal('response.latency.mean'), { ...window, aggregate: 'max', step: 30 });
    expect(steps.map(({ value }) => value)).toEqual([5, 10]);
    await expect(readWindow(store, signal('request.error.ratio'), { ...window, aggregate: 'p95' })).rejects.toThrow(
      'request.error.ratio is a share: it has no distribution',
    );
  });

  it('are kept apart by label, and labels with quotes do no harm', async () => {
    const model = `x'"; DROP TABLE request; --`;
    await writeRequests(store, [
      request(20, { endedAt: at('12:00:10'), model }),
      request(21, { endedAt: at('12:00:10') }),
    ]);
    const window = { from: at('12:00:00'), to: at('12:01:00'), by: ['model', 'node'] as const };
    const values = await readWindow(store, signal('request.rate'), window);
    expect(values.map((v) => v.labels.model).toSorted()).toEqual(['m', model]);
    const one = await readWindow(store, signal('request.rate'), { ...window, matchers: { model } });
    expect(one).toEqual([{ labels: { model, node: 'a' }, value: 1 / 60, samples: 1 }]);
  });

  it('with text that PostgreSQL refuses are stored without the offending character', async () => {
    await writeRequests(store, [request(30, { endedAt: at('13:00:00'), conversationId: 'a\0b\ud800' })]);
    expect(
      await database.query(`SELECT conversation_id FROM request WHERE span_id = $1`, [request(30).spanId]),
    ).toEqual([{ conversation_id: 'ab\ufffd' }]);
  });

  it('of two writers at once on a new day are all there', async () => {
    const day = new Date('2026-03-09T00:00:01Z');
    const rows = Array.from({ length: 40 }, (_, i) => request(100 + i, { endedAt: day }));
    const added = await Promise.all([0, 1, 2, 3].map((i) => writeRequests(store, rows.slice(i * 10, i * 10 + 10))));
    expect(added).toEqual([10, 10, 10, 10]);
    const [value] = await readWindow(store, signal('request.rate'), {
      from: day,
      to: new Date('2026-03-09T00:01:01Z'),
      by: [],
    });
    expect(value!.samples).toBe(40);
  });
});

describe('GPU samples', () => {
  it('give the latest reading, the mean over a window, and nothing once they are old', async () => {
    await writeGpuSamples(store, [
      gpu(at('10:00:00'), 50),
      gpu(at('10:00:15'), 90),
      gpu(at('10:00:15'), null, { gpu: '1', memoryTotal: null }),
    ]);
    const ratio = signal('gpu.memory.ratio');
    const by = ['node', 'gpu', 'replay'] as const;
    const labels = { node: 'a', gpu: '0', replay: 'false' };
    expect(await readLatest(store, ratio, at('10:00:20'), by)).toEqual([{ labels, value: 0.9, samples: 1 }]);
    expect(await readWindow(store, ratio, { from: at('10:00:00'), to: at('10:01:00'), by })).toEqual([
      { labels, value: 0.7, samples: 2 },
    ]);
    expect(await readLatest(store, ratio, at('10:02:30'), by)).toEqual([]);
  });
});

describe('every signal of the catalogue', () => {
  it.each(SIGNALS.map((s) => [s.id, s] as const))('%s can be read by all its labels', async (_, s) => {
    const window = { from: at('10:00:00'), to: at('10:05:00'), by: s.labels };
    await readWindow(store, s, window);
    const series = await readSeries(store, s, { ...window, step: 60 });
    for (const { value } of series) expect(Number.isFinite(value)).toBe(true);
  });
});

describe('retention', () => {
  it('drops whole days and their minutes, and leaves the rest', async () => {
    await writeRequests(store, [request(200, { endedAt: new Date('2026-02-01T10:00:00Z') })]);
    const dropped = await dropExpired(store, at('10:00:00'), 7 * 86_400);
    expect(dropped).toEqual(['request_2026_02_01']);
    expect(await database.query(`SELECT count(*)::int AS n FROM request_minute WHERE minute < '2026-02-20'`)).toEqual([
      { n: 0 },
    ]);
    expect((await database.query(`SELECT count(*)::int AS n FROM request`))[0]!.n).toBeGreaterThan(0);
  });
});
