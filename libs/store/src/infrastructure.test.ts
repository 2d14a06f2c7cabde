import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import { findSignal, type Label } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeGpuEvents, writeGpuSamples, writeNodeSamples } from './bulk.js';
import { dropExpired } from './partitions.js';
import { readLatest, readSeries, readWindow } from './query/index.js';
import type { GpuSampleRow, NodeSampleRow } from './rows.js';
import { connect } from './connect.js';
import { createStore } from './store.js';
import { gpuEventRow, gpuRow, nodeRow } from './testing.js';

const at = (text: string) => new Date(`2026-03-01T${text}Z`);
const after = (time: Date, seconds: number) => new Date(time.getTime() + seconds * 1000);
const signal = (id: string) => findSignal(id)!;

let database: TestDatabase;
let store: DataSource;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
});
beforeEach(() =>
  database.query('TRUNCATE gpu_sample, gpu_minute, node_sample, node_minute, gpu_event, gpu_event_minute'),
);
afterAll(async () => {
  await store.destroy();
  await database.drop();
});

const node = (time: Date, change: Partial<NodeSampleRow> = {}) => nodeRow({ time, node: 'a', ...change });
const gpu = (time: Date, change: Partial<GpuSampleRow> = {}) => gpuRow(0.5, { time, node: 'a', ...change });
const every = <T>(from: Date, seconds: number, times: number, row: (time: Date, i: number) => T): T[] =>
  Array.from({ length: times }, (_, i) => row(after(from, i * seconds), i));

/** What a signal says at a time, as `labels: value`. */
async function now(id: string, time: Date, by: readonly Label[] = signal(id).labels): Promise<Record<string, number>> {
  const values = await readLatest(store, signal(id), time, by);
  return Object.fromEntries(values.map(({ labels, value }) => [by.map((l) => labels[l]).join('/'), value]));
}

describe('an age', () => {
  it('is told of what reports and of what does not, exactly, for a day, and then no more', async () => {
    await writeNodeSamples(store, [
      ...every(at('10:00:07'), 15, 20, (time) => node(time)),
      ...every(at('10:00:07'), 15, 4, (time) => node(time, { node: 'b' })),
    ]);
    const silence = (time: Date) => now('node.silence', time);
    expect(await silence(at('10:04:55'))).toEqual({ a: 3, b: 243 });
    expect(await silence(at('10:00:55'))).toEqual({ a: 3, b: 3 });
    expect(await silence(at('09:00:00'))).toEqual({});
    // Its data have ended, and it has a value all the same.
    expect(await silence(at('10:30:00'))).toEqual({ a: 1508, b: 1748 });
    expect(await silence(after(at('10:00:00'), 86_400))).toEqual({ a: 86_108, b: 86_348 });
    expect(await silence(after(at('10:04:51'), 86_400))).toEqual({ a: 86_399 });
    expect(await silence(after(at('10:04:53'), 86_400))).toEqual({});
  });

  it('is exact in the minute that runs, and that of the future is not seen', async () => {
    await writeNodeSamples(store, [node(at('10:00:10')), node(at('10:00:50')), node(at('10:09:00'))]);
    expect(await now('node.silence', at('10:00:40'))).toEqual({ a: 30 });
    expect(await now('node.silence', at('10:00:50'))).toEqual({ a: 0 });
    expect(await now('node.silence', at('10:05:00'))).toEqual({ a: 250 });
  });

  it('of several is that of the youngest', async () => {
    await writeGpuSamples(store, [
      gpu(at('10:00:00')),
      gpu(at('10:01:00'), { gpu: '1' }),
      // An instance of a partitioned GPU is not missed when the partition changes.
      gpu(at('10:01:00'), { gpu: '1/7', migProfile: '1g.10gb' }),
      gpu(at('10:02:00'), { gpu: '0', replay: true, node: 'b' }),
    ]);
    expect(await now('gpu.silence', at('10:03:00'))).toEqual({ 'a/0/false': 180, 'a/1/false': 120, 'b/0/true': 60 });
    expect(await now('gpu.silence', at('10:03:00'), ['node'])).toEqual({ a: 120, b: 60 });
    expect(await now('gpu.silence', at('10:03:00'), [])).toEqual({ '': 60 });
    const [one] = await readLatest(store, signal('gpu.silence'), at('10:03:00'), ['gpu'], { node: 'a', gpu: '0' });
    expect(one).toEqual({ labels: { gpu: '0' }, value: 180, samples: 1 });
  });

  it('of a reading is that of the last good one, also after the collector began anew without one', async () => {
    await writeNodeSamples(store, [
      node(at('10:00:00'), { gpuReadAt: at('09:59:58') }),
      node(at('10:05:00'), { gpuState: 'failed', gpuCount: null, gpuReadAt: at('10:00:30') }),
      node(at('10:10:00'), { gpuState: 'failed', gpuCount: null, gpuReadAt: null }),
      node(at('10:10:00'), { node: 'cpu', gpuState: 'none', gpuCount: 0, gpuReadAt: null }),
    ]);
    expect(await now('gpu.reading.age', at('10:10:30'))).toEqual({ a: 600 });
    expect(await now('gpu.reading.age', at('10:00:20'))).toEqual({ a: 22 });
    expect(await now('node.silence', at('10:10:30'))).toEqual({ a: 30, cpu: 30 });
  });

  it('is the same in a series, from minutes and from rows, and grows where nothing is', async () => {
    await writeNodeSamples(
      store,
      every(at('10:00:10'), 20, 7, (time) => node(time)),
    );
    const read = async (from: string, to: string, step: number) =>
      (await readSeries(store, signal('node.silence'), { from: at(from), to: at(to), by: ['node'], step })).map((p) => [
        p.time.toISOString().slice(14, 19),
        p.value,
      ]);
    expect(await read('09:59:00', '10:06:00', 60)).toEqual([
      ['00:00', 10],
      ['01:00', 10],
      ['02:00', 50],
      ['03:00', 110],
      ['04:00', 170],
      ['05:00', 230],
    ]);
    expect(await read('10:01:40', '10:03:00', 20)).toEqual([
      ['01:40', 10],
      ['02:00', 10],
      ['02:20', 30],
      ['02:40', 50],
    ]);
    for (const [time, value] of await read('10:02:00', '10:03:00', 20)) {
      const end = after(at(`10:${time as string}`), 20);
      expect(await now('node.silence', end)).toEqual({ a: value });
    }
  });

  it('knows what a collector of the version before wrote', async () => {
    await writeGpuSamples(store, [gpu(at('10:00:30'))]);
    await database.query('UPDATE gpu_minute SET last_at = NULL');
    expect(await now('gpu.silence', at('10:02:00'))).toEqual({ 'a/0/false': 120 });
  });
});

describe('XIDs in a window', () => {
  const count = async (to: Date, by: readonly Label[] = ['node', 'gpu', 'code']) => {
    const values = await readWindow(store, signal('gpu.xid.count'), { from: after(to, -600), to, by });
    return Object.fromEntries(values.map(({ labels, value }) => [by.map((l) => labels[l]).join('/'), value]));
  };

  it('are counted once, however often they are told, to the second', async () => {
    const events = [
      gpuEventRow({ node: 'a', time: at('10:00:20') }),
      gpuEventRow({ node: 'a', time: at('10:00:21') }),
      gpuEventRow({ node: 'a', time: at('10:00:21'), code: 31, class: 'application' }),
      gpuEventRow({ node: 'a', time: at('10:00:21'), gpu: null, uuid: null }),
      gpuEventRow({ node: 'a', time: at('10:00:21'), kind: 'lost', code: null }),
    ];
    expect(await writeGpuEvents(store, [...events, events[3]!])).toBe(5);
    expect(await writeGpuEvents(store, events)).toBe(0);
    expect(await count(at('10:05:00'))).toEqual({ 'a/0/79': 2, 'a/0/31': 1, 'a//79': 1 });
    expect(await count(at('10:10:21'))).toEqual({ 'a/0/79': 1, 'a/0/31': 1, 'a//79': 1 });
    expect(await count(at('10:00:21'), [])).toEqual({ '': 1 });
    const critical = await readWindow(store, signal('gpu.xid.count'), {
      from: at('10:00:00'),
      to: at('10:05:00'),
      by: ['class'],
      matchers: { class: 'critical', gpu: '' },
    });
    expect(critical).toEqual([{ labels: { class: 'critical' }, value: 1, samples: 1 }]);
  });

  it('are none, and not unknown, once the window is past and the node reports', async () => {
    await writeGpuEvents(store, [gpuEventRow({ node: 'a', time: at('10:00:00') })]);
    await writeNodeSamples(store, [node(at('10:12:00')), node(at('10:12:00'), { node: 'b' })]);
    expect(await count(at('10:13:00'))).toEqual({ 'a/0/79': 0 });
    await writeGpuSamples(store, [gpu(at('10:20:00'))]);
    expect(await count(at('10:21:00'))).toEqual({ 'a/0/79': 0 });
    await writeNodeSamples(store, [node(after(at('10:00:30'), 86_400))]);
    expect(await count(after(at('10:01:00'), 86_400))).toEqual({});
  });

  it('are unknown, and not none, once the window is past and the node is silent', async () => {
    await writeGpuEvents(store, [gpuEventRow({ node: 'a', time: at('10:00:00') })]);
    await writeNodeSamples(store, [node(at('10:00:10')), node(at('10:12:00'), { node: 'b' })]);
    expect(await count(at('10:05:00'))).toEqual({ 'a/0/79': 1 });
    expect(await count(at('10:13:00'))).toEqual({});
  });

  it('stand in a series where they happened', async () => {
    await writeGpuEvents(store, [
      gpuEventRow({ node: 'a', time: at('10:00:20') }),
      gpuEventRow({ node: 'a', time: at('10:00:40') }),
      gpuEventRow({ node: 'a', time: at('10:03:00'), kind: 'returned', code: null }),
    ]);
    const window = { from: at('10:00:00'), to: at('10:05:00'), by: ['code'] as const };
    for (const [step, values] of [
      [60, [2]],
      [20, [1, 1]],
    ] as const)
      expect((await readSeries(store, signal('gpu.xid.count'), { ...window, step })).map((p) => p.value)).toEqual(
        values,
      );
  });
});

describe('GPUs missing', () => {
  it('are those of the last six hours that are not there now', async () => {
    await writeNodeSamples(store, [
      ...every(at('10:00:00'), 60, 5, (time) => node(time, { gpuCount: 8 })),
      ...every(at('10:05:00'), 60, 3, (time) => node(time, { gpuCount: 6 })),
      ...every(at('10:00:00'), 60, 8, (time) => node(time, { node: 'b', gpuCount: 1 })),
      ...every(at('10:00:00'), 60, 8, (time) => node(time, { node: 'cpu', gpuCount: null, gpuReadAt: null })),
    ]);
    expect(await now('gpu.missing', at('10:04:30'))).toEqual({ a: 0, b: 0 });
    expect(await now('gpu.missing', at('10:05:00'))).toEqual({ a: 2, b: 0 });
    expect(await now('gpu.missing', at('10:07:30'), [])).toEqual({ '': 2 });
    const series = await readSeries(store, signal('gpu.missing'), {
      from: at('10:03:00'),
      to: at('10:07:00'),
      by: ['node'],
      matchers: { node: 'a' },
      step: 60,
    });
    expect(series.map((p) => p.value)).toEqual([0, 0, 2, 2]);
  });

  it('are unknown while the GPUs are not read, and are forgotten after six hours', async () => {
    await writeNodeSamples(store, [
      node(at('10:00:00'), { gpuCount: 8 }),
      node(at('10:05:00'), { gpuCount: null, gpuState: 'failed' }),
      node(at('15:59:30'), { gpuCount: 7 }),
      node(at('16:00:30'), { gpuCount: 7 }),
    ]);
    expect(await now('gpu.missing', at('10:05:10'))).toEqual({});
    expect(await now('gpu.missing', at('15:59:40'))).toEqual({ a: 1 });
    expect(await now('gpu.missing', at('16:00:40'))).toEqual({ a: 0 });
  });

  it('are all of them where the node has none any more', async () => {
    await writeNodeSamples(store, [
      node(at('10:00:00'), { gpuCount: 4 }),
      node(at('10:01:00'), { gpuCount: 0, gpuState: 'none' }),
    ]);
    expect(await now('gpu.missing', at('10:01:10'))).toEqual({ a: 4 });
  });
});

describe('what a GPU counts', () => {
  const MB = 1_000_000;
  const rate = async (from: string, to: string, by: readonly Label[] = ['gpu']) =>
    (await readWindow(store, signal('gpu.nvlink.transmit'), { from: at(from), to: at(to), by })).map((v) => v.value);

  it('is told a second, over an edge of minutes, and by the sum of several', async () => {
    await writeGpuSamples(store, [
      ...every(at('10:00:00'), 10, 31, (time, i) => gpu(time, { nvlinkTx: 5 * MB + i * 10 * MB })),
      ...every(at('10:00:00'), 10, 31, (time, i) => gpu(time, { gpu: '1', nvlinkTx: i * 20 * MB })),
    ]);
    for (const [from, to] of [
      ['10:00:00', '10:05:00'],
      ['10:00:15', '10:04:35'],
      ['10:01:10', '10:01:40'],
    ] as const) {
      expect(await rate(from, to)).toEqual([MB, 2 * MB]);
      expect(await rate(from, to, [])).toEqual([3 * MB]);
    }
    for (const step of [30, 60]) {
      const window = { from: at('10:01:00'), to: at('10:04:00'), by: ['gpu'] as const, step };
      const series = await readSeries(store, signal('gpu.nvlink.transmit'), { ...window, matchers: { gpu: '1' } });
      expect(series.map((p) => p.value)).toEqual(Array.from({ length: 180 / step }, () => 2 * MB));
    }
  });

  it('is never negative when the driver is loaded anew, and is unknown from one reading', async () => {
    await writeGpuSamples(store, [
      gpu(at('10:00:00'), { nvlinkTx: 100 * MB }),
      gpu(at('10:00:10'), { nvlinkTx: 110 * MB }),
      gpu(at('10:00:20'), { nvlinkTx: 5 * MB }),
      gpu(at('10:00:30'), { nvlinkTx: null }),
    ]);
    expect(await rate('10:00:00', '10:00:40')).toEqual([(15 * MB) / 20]);
    expect(await rate('10:00:20', '10:00:40')).toEqual([]);
  });
});

describe('readings of the new kinds', () => {
  it('are numbers where they are states, and nothing where the device does not tell', async () => {
    await writeGpuSamples(store, [
      gpu(at('10:00:00'), {
        recoveryAction: 'drain_and_reset',
        remapPending: true,
        remapFailed: false,
        throttleReasons: ['hw_thermal_slowdown', 'sw_power_cap'],
        eccUncorrected: 2,
        pcieTx: 5e9,
        gpu: '0/1',
        migProfile: '1g.10gb',
        migMode: 'enabled',
        processes: [{ pid: 1, name: 'x', memory: 5, container: 'c', runtime: true }],
      }),
      gpu(at('10:00:15'), { gpu: '0/1', recoveryAction: 'none', throttleReasons: [] }),
    ]);
    const mean = async (id: string) =>
      (await readWindow(store, signal(id), { from: at('10:00:00'), to: at('10:01:00'), by: ['gpu'] })).map(
        ({ labels, value }) => [labels.gpu, value],
      );
    expect(await mean('gpu.recovery.action')).toEqual([['0/1', 2]]);
    expect(await mean('gpu.remap.pending')).toEqual([['0/1', 1]]);
    expect(await mean('gpu.remap.failed')).toEqual([['0/1', 0]]);
    expect(await mean('gpu.throttle.hw_thermal')).toEqual([['0/1', 0.5]]);
    expect(await mean('gpu.throttle.hw_power_brake')).toEqual([['0/1', 0]]);
    expect(await mean('gpu.ecc.uncorrected')).toEqual([['0/1', 2]]);
    expect(await mean('gpu.nvlink.errors')).toEqual([]);
    expect(await now('gpu.recovery.action', at('10:00:10'), ['gpu'])).toEqual({ '0/1': 4 });
    const [row] = await database.query('SELECT mig_profile, processes FROM gpu_sample ORDER BY time LIMIT 1');
    expect(row).toEqual({
      mig_profile: '1g.10gb',
      processes: [{ pid: 1, name: 'x', memory: 5, container: 'c', runtime: true }],
    });
  });

  it('of a node are its own, and RDMA ports are summed', async () => {
    const port = { device: 'mlx5_0', port: '1', state: 'active', rate: 4e11, receive: 100, transmit: 10, errors: 0 };
    const rows = [
      node(at('10:00:00'), { cpuRatio: 0.2, rdma: [port, { ...port, port: '2', receive: null }] }),
      node(at('10:00:15'), { cpuRatio: 0.4, rdma: [port, port] }),
      node(at('10:00:15'), { node: 'b', cpuRatio: null, volumeRatio: null }),
    ];
    expect(await writeNodeSamples(store, rows)).toBe(3);
    expect(await writeNodeSamples(store, rows)).toBe(0);
    expect(await now('node.cpu.ratio', at('10:00:20'))).toEqual({ a: 0.4 });
    expect(await now('node.rdma.receive', at('10:00:20'))).toEqual({ a: 200 });
    expect(await now('node.volume.ratio', at('10:00:20'))).toEqual({ a: 0.5 });
    const window = { from: at('10:00:00'), to: at('10:01:00'), by: ['node'] as const };
    const [cpu] = await readWindow(store, signal('node.cpu.ratio'), window);
    expect(cpu!.value).toBeCloseTo(0.3, 12);
    expect((await readWindow(store, signal('node.rdma.receive'), window)).map((v) => v.value)).toEqual([150]);
    expect(await now('node.cpu.ratio', at('10:02:30'))).toEqual({});
  });
});

describe('retention', () => {
  it('drops the days of nodes and events too, with their minutes', async () => {
    const old = new Date('2026-02-01T10:00:00Z');
    await writeNodeSamples(store, [node(old), node(at('10:00:00'))]);
    await writeGpuEvents(store, [gpuEventRow({ time: old }), gpuEventRow({ time: at('10:00:00') })]);
    const dropped = await dropExpired(store, at('10:00:00'), 7 * 86_400);
    expect(dropped).toEqual(['node_sample_2026_02_01', 'gpu_event_2026_02_01']);
    for (const table of ['node_sample', 'node_minute', 'gpu_event', 'gpu_event_minute'])
      expect(await database.query(`SELECT count(*)::int AS n FROM ${table}`), table).toEqual([{ n: 1 }]);
  });
});
