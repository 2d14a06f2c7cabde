import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DcgmSource, readSmiXml, xidEvent, type GpuReading, type GpuSample } from '@vigil/gpu';
import { recording, withGpus } from '@vigil/gpu/testing';
import { until } from '@vigil/testing';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { GpuMetrics } from './gpu-metrics.js';

const present = spawnSync('prometheus', ['--version']).status === 0;

let registry: Registry;
let metrics: GpuMetrics;
let samples: GpuSample[];

const up = (of: GpuSample[]): GpuReading => ({ state: 'up', source: 'nvml', samples: of, notes: [], events: [] });
const series = async (prefix = 'DCGM_'): Promise<string[]> =>
  (await registry.metrics())
    .split('\n')
    .filter((line) => line.startsWith(prefix))
    .toSorted();

beforeEach(async () => {
  registry = new Registry();
  metrics = new GpuMetrics(registry, 'node-a', { compat: 'dcgm' });
  const xml = withGpus(await recording('h200-load'), 2);
  const result = readSmiXml(xml, { time: new Date(0), source: 'nvml', replay: false });
  if (!result.ok) throw new Error(result.reason);
  samples = result.samples;
});

/** Serves the registry, as the collector does. */
async function serve(): Promise<{ target: string; stop: () => Promise<void> }> {
  const server = createServer(async (_, response) => response.end(await registry.metrics()));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((done) => void server.close(() => done()));
    },
  };
}

describe('DcgmSeries', () => {
  it("publishes a dcgm-exporter's names, labels and units", async () => {
    metrics.record(up([{ ...samples[0]!, energy: 5000.5, utilization: 0.57 }]), 0);
    const labels =
      'gpu="0",UUID="GPU-00000000-1111-2222-3333-444444444444",device="nvidia0",modelName="NVIDIA H200",' +
      'Hostname="node-a",DCGM_FI_DRIVER_VERSION="580.159.04"';
    expect(await series()).toEqual(
      Object.entries({
        DEV_CLOCKS_EVENT_REASONS: 4,
        DEV_CLOCK_THROTTLE_REASONS: 4,
        DEV_CORRECTABLE_REMAPPED_ROWS: 0,
        DEV_ECC_DBE_VOL_TOTAL: 0,
        DEV_ECC_SBE_VOL_TOTAL: 0,
        DEV_ENFORCED_POWER_LIMIT: 700,
        DEV_FB_FREE: 46776,
        DEV_FB_RESERVED: 616,
        DEV_FB_TOTAL: 143771,
        DEV_FB_USED: 96379,
        DEV_GPU_TEMP: 58,
        DEV_GPU_UTIL: 57,
        DEV_MEMORY_TEMP: 46,
        DEV_MEM_CLOCK: 3201,
        DEV_MEM_COPY_UTIL: 23,
        DEV_PCIE_REPLAY_COUNTER: 0,
        DEV_PCIE_RX_THROUGHPUT: 14536,
        DEV_PCIE_TX_THROUGHPUT: 7543,
        DEV_POWER_USAGE: 690.81,
        DEV_ROW_REMAP_FAILURE: 0,
        DEV_ROW_REMAP_PENDING: 0,
        DEV_SM_CLOCK: 1485,
        DEV_TOTAL_ENERGY_CONSUMPTION: 5000500,
        DEV_UNCORRECTABLE_REMAPPED_ROWS: 0,
        DEV_VIDEO_CLOCK: 1515,
        DEV_XID_ERRORS: 0,
        PROF_DRAM_ACTIVE: 0.23,
        PROF_GR_ENGINE_ACTIVE: 0.57,
      })
        .map(([name, value]) => `DCGM_FI_${name}{${labels}} ${value}`)
        .toSorted(),
    );
  });

  it('is not there unless wanted', async () => {
    registry = new Registry();
    new GpuMetrics(registry, 'node-a').record(up(samples), 0);
    expect(await series()).toEqual([]);
  });

  it('ends the series of a GPU that vanished, and all on a failure', async () => {
    metrics.record(up(samples), 0);
    expect(await series('DCGM_FI_DEV_GPU_TEMP')).toHaveLength(2);
    metrics.record(up([samples[1]!]), 0);
    expect((await series()).join()).not.toMatch(/gpu="0"/);
    metrics.record({ state: 'failed', source: 'nvml', kind: 'timeout', reason: '' }, 0);
    expect(await series()).toEqual([]);
  });

  it('goes on telling the last XID', async () => {
    const xids = async (): Promise<string[]> =>
      (await series('DCGM_FI_DEV_XID_ERRORS')).map(
        (line) => `${/gpu="(\d+)"/.exec(line)![1]} ${line.split(' ').at(-1)}`,
      );
    metrics.record(up(samples), 0);
    const told = { time: new Date(0), gpu: '1', uuid: null, replay: false, source: 'nvml' };
    metrics.recordEvents([xidEvent(31, told), xidEvent(79, told)]);
    for (let i = 0; i < 2; i++) {
      metrics.record(up(samples), 0);
      expect(await xids()).toEqual(['0 0', '1 79']);
    }
  });

  it('names MIG instances as a dcgm-exporter does, and marks what is replayed', async () => {
    const instance = { ...samples[1]!, gpu: '1/7', uuid: null, migProfile: '1g.18gb', replay: true };
    metrics.record(up([instance]), 0);
    expect((await series('DCGM_FI_DEV_FB_USED'))[0]).toMatch(
      /gpu="1",UUID="",device="nvidia1".*GPU_I_ID="7",GPU_I_PROFILE="1g.18gb".*replay="true"/,
    );
  });

  it('is read back by the source for a dcgm-exporter, value for value', async () => {
    metrics.record(up(samples), 0);
    const { target, stop } = await serve();
    const source = new DcgmSource({ url: `http://${target}/metrics`, timeoutSeconds: 20, now: () => new Date(0) });
    try {
      const reading = await source.read();
      if (reading.state !== 'up') throw new Error(`${reading.reason}`);
      // What a dcgm-exporter does not tell.
      const untold = {
        temperatureMargin: null,
        graphicsClock: null,
        recoveryAction: null,
        migMode: null,
        processes: [],
      };
      expect(reading.samples).toEqual(samples.map((s) => ({ ...s, ...untold, source: 'dcgm' })));
    } finally {
      await source.close();
      await stop();
    }
  });
});

/** What the panels of "NVIDIA DCGM Exporter Dashboard" (grafana.com, 12239) ask, with both of its variables at "all". */
const DASHBOARD_12239: readonly [query: string, value: number, series: number][] = [
  ['max(DCGM_FI_DEV_GPU_TEMP{Hostname=~".*", gpu=~".*"}) by (Hostname, gpu, uuid)', 58, 2],
  ['avg(DCGM_FI_DEV_GPU_TEMP{Hostname=~".*", gpu=~".*"})', 58, 1],
  ['max(DCGM_FI_DEV_POWER_USAGE{Hostname=~".*", gpu=~".*"}) by (Hostname, gpu, uuid)', 690.81, 2],
  ['sum(max(DCGM_FI_DEV_POWER_USAGE{Hostname=~".*", gpu=~".*"}) by (gpu))', 1381.62, 1],
  ['max(DCGM_FI_DEV_SM_CLOCK{Hostname=~".*", gpu=~".*"} * 1000000) by (Hostname, UUID, gpu)', 1485e6, 2],
  ['max(DCGM_FI_PROF_GR_ENGINE_ACTIVE{Hostname=~".*", gpu=~".*"}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)', 1, 2],
  ['max(DCGM_FI_DEV_FB_USED{Hostname=~".*", gpu=~".*"}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)', 96379, 2],
  // The variables themselves, and the older panel of utilisation.
  ['count(DCGM_FI_DEV_FB_FREE) by (Hostname)', 2, 1],
  ['count(DCGM_FI_DEV_FB_FREE{Hostname=~"node-a"}) by (gpu)', 1, 2],
  ['DCGM_FI_DEV_GPU_UTIL{instance=~".*", gpu=~".*"}', 100, 2],
];

describe.skipIf(!present)('a real Prometheus', () => {
  it('answers the queries of dashboard 12239', async () => {
    metrics.record(up(samples), 0);
    const { target, stop } = await serve();
    const folder = await mkdtemp(join(tmpdir(), 'vigil-dcgm-'));
    const config = join(folder, 'prometheus.yml');
    await writeFile(
      config,
      `global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: gpu\n    static_configs: [{targets: ['${target}']}]\n`,
    );
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, '--web.listen-address=127.0.0.1:0'];
    const prometheus = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      let output = '';
      prometheus.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const address = await until('Prometheus', () => /msg="Listening on" address=(\S+)/.exec(output)?.[1]);
      const query = async (text: string): Promise<number[]> => {
        const response = await fetch(`http://${address}/api/v1/query?${new URLSearchParams({ query: text })}`);
        const body = (await response.json()) as { data: { result: { value: [number, string] }[] } };
        return body.data.result.map(({ value }) => Number(value[1]));
      };
      await until('the first scrape', async () => (await query('DCGM_FI_DEV_XID_ERRORS')).length === 2);
      for (const [text, value, count] of DASHBOARD_12239) {
        const found = await query(text);
        expect(found.length, text).toBe(count);
        for (const one of found) expect(one, text).toBeCloseTo(value, 6);
      }
    } finally {
      const ended = new Promise((done) => prometheus.once('exit', done));
      prometheus.kill('SIGKILL');
      await ended;
      await stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
