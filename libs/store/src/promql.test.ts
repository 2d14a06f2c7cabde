import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import { findSignal, PROMETHEUS_LABELS, takesWindow, type Label } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeEngineSamples, writeGpuEvents, writeGpuSamples, writeNodeSamples } from './bulk.js';
import { readLatest, readWindow } from './query/index.js';
import { connect } from './connect.js';
import { createStore } from './store.js';
import { engineRow, gpuEventRow, gpuRow, nodeRow } from './testing.js';

const STEP = 15;
const BEGIN = Date.parse('2026-03-01T10:00:00Z');
const at = (seconds: number) => new Date(BEGIN + seconds * 1000);
/** One for each scrape of the given minutes. */
const scrapes = <T>(minutes: number, make: (time: Date, seconds: number) => T): T[] =>
  Array.from({ length: minutes * 4 + 1 }, (_, i) => make(at(i * STEP), i * STEP));

/**
 * The same story in rows and in Prometheus's words: node a lives for half an hour and loses two GPUs after five minutes;
 * node b has an XID after one minute and is gone after three. The engine r1 queues up after five minutes. Prometheus counts time from the begin of the story.
 */
const SERIES = {
  'vigil_node_last_sample_timestamp_seconds{node="a"}': '0+15x120',
  'vigil_node_last_sample_timestamp_seconds{node="b"}': '0+15x12 stale',
  'vigil_gpu_last_reading_timestamp_seconds{node="a"}': '0+15x60 900x60',
  'vigil_gpu_last_reading_timestamp_seconds{node="b"}': '0+15x12 stale',
  'vigil_gpu_last_seen_timestamp_seconds{node="a",gpu="0",replay="false"}': '0+15x60 900x60',
  'vigil_gpu_last_seen_timestamp_seconds{node="a",gpu="1",replay="false"}': '0+15x19 285x101',
  'vigil_gpu_last_seen_timestamp_seconds{node="b",gpu="0",replay="false"}': '0+15x12 stale',
  'vigil_gpu_count{node="a"}': '8x19 6x101',
  'vigil_gpu_count{node="b"}': '4x12 stale',
  'vigil_gpu_events_total{node="a",gpu="0",replay="false",kind="xid",class="critical",code="79"}': '_x8 1x23 2x88',
  'vigil_gpu_events_total{node="b",gpu="0",replay="false",kind="xid",class="critical",code="48"}': '_x4 1x8 stale',
  'vigil_gpu_events_total{node="a",gpu="1",replay="false",kind="lost",class="unknown",code=""}': '_x20 1x100',
  'hw_gpu_io_bytes_total{node="a",gpu="0",replay="false",link="nvlink",direction="transmit"}': '1000+1500x60 stale',
  'vigil_engine_requests_running{node="a",engine="r1",gen_ai_request_model="m"}': '4x19 40x101',
  'vigil_engine_requests_waiting{node="a",engine="r1",gen_ai_request_model="m"}': '0x19 12x101',
  'vigil_engine_kv_cache_usage_ratio{node="a",engine="r1",gen_ai_request_model="m"}': '0x19 1x101',
  'vigil_engine_preemptions_total{node="a",engine="r1",gen_ai_request_model="m"}': '100+30x120',
  'hw_gpu_recovery_action{node="a",gpu="0",replay="false"}': '0x20 2x40 stale',
};

let database: TestDatabase;
let store: DataSource;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-promql-'));
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  await writeNodeSamples(store, [
    ...scrapes(30, (time, s) =>
      nodeRow({ time, node: 'a', gpuCount: s < 300 ? 8 : 6, gpuReadAt: at(Math.min(s, 900)) }),
    ),
    ...scrapes(3, (time) => nodeRow({ time, node: 'b', gpuCount: 4 })),
  ]);
  await writeGpuSamples(store, [
    ...scrapes(15, (time, s) =>
      gpuRow(0.5, { time, node: 'a', nvlinkTx: 1000 + s * 100, recoveryAction: s <= 300 ? 'none' : 'node_reboot' }),
    ),
    ...scrapes(4.75, (time) => gpuRow(0.5, { time, node: 'a', gpu: '1' })),
    ...scrapes(3, (time) => gpuRow(0.5, { time, node: 'b' })),
  ]);
  await writeEngineSamples(
    store,
    scrapes(30, (time, s) => {
      const full =
        s < 300 ? { running: 4, waiting: 0, kvCacheRatio: 0 } : { running: 40, waiting: 12, kvCacheRatio: 1 };
      return engineRow({ time, node: 'a', ...full, preemptionRate: s === 0 ? null : 2 });
    }),
  );
  await writeGpuEvents(store, [
    gpuEventRow({ time: at(130), node: 'a' }),
    gpuEventRow({ time: at(475), node: 'a' }),
    gpuEventRow({ time: at(70), node: 'b', code: 48 }),
    gpuEventRow({ time: at(295), node: 'a', gpu: '1', kind: 'lost', code: null, class: 'unknown' }),
  ]);
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const present = spawnSync('promtool', ['--version']).status === 0;

describe.skipIf(!present)('Prometheus says the same', () => {
  it.each<[string, number, Record<string, number>]>([
    ['node.silence', 2, { a: 0, b: 0 }],
    ['node.silence', 10, { a: 0, b: 420 }],
    ['node.silence', 30, { a: 0, b: 1620 }],
    ['gpu.reading.age', 10, { a: 0, b: 420 }],
    ['gpu.reading.age', 30, { a: 900, b: 1620 }],
    ['gpu.silence', 10, { 'a/0/false': 0, 'a/1/false': 315, 'b/0/false': 420 }],
    ['gpu.missing', 2, { a: 0, b: 0 }],
    ['gpu.missing', 6, { a: 2 }],
    ['gpu.missing', 30, { a: 2 }],
    ['gpu.xid.count', 5, { 'a/0/false/critical/79': 1, 'b/0/false/critical/48': 1 }],
    ['gpu.xid.count', 10, { 'a/0/false/critical/79': 2, 'b/0/false/critical/48': 1 }],
    // The window no longer holds an event: none of the node that reports, nothing of the one that is gone.
    ['gpu.xid.count', 20, { 'a/0/false/critical/79': 0 }],
    ['gpu.nvlink.transmit', 10, { 'a/0/false': 100 }],
    ['engine.requests.running', 2, { 'a/r1/m': 4 }],
    ['engine.requests.running', 10, { 'a/r1/m': 40 }],
    ['engine.requests.waiting', 10, { 'a/r1/m': 12 }],
    ['engine.kv_cache.ratio', 10, { 'a/r1/m': 1 }],
    ['engine.preemption.rate', 10, { 'a/r1/m': 2 }],
    ['gpu.recovery.action', 10, { 'a/0/false': 2 }],
  ])('%s after %d min is %j', async (id, minutes, wanted) => {
    const signal = findSignal(id)!;
    const by = signal.labels;
    const to = at(minutes * 60);
    const windowed = takesWindow(signal) === 'always';
    const values = windowed
      ? await readWindow(store, signal, { from: at(minutes * 60 - 600), to, by })
      : await readLatest(store, signal, to, by);
    const key = (labels: Record<string, string>) => by.map((label) => labels[label]).join('/');
    const ours = Object.fromEntries(values.map(({ labels, value }) => [key(labels), Math.round(value)]));
    expect(ours).toEqual(wanted);
    const samples = values.map(({ labels, value }) => ({
      labels: `{${by.map((label: Label) => `${PROMETHEUS_LABELS[label]}="${labels[label]}"`).join(',')}}`,
      value: Math.round(value),
    }));
    const file = join(folder, 'test.json');
    await writeFile(
      file,
      JSON.stringify({
        evaluation_interval: '15s',
        tests: [
          {
            interval: '15s',
            input_series: Object.entries(SERIES).map(([series, text]) => ({ series, values: text })),
            promql_expr_test: [
              // Prometheus extrapolates a count to the edges of its window.
              {
                expr: `round(${signal.promql(by, '10m')})`,
                eval_time: `${minutes}m`,
                exp_samples: samples,
              },
            ],
          },
        ],
      }),
    );
    const { stdout } = await promisify(execFile)('promtool', ['test', 'rules', file]);
    expect(stdout).toContain('SUCCESS');
  });
});
