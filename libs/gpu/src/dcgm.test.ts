import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDcgmMetrics } from './dcgm-read.js';
import { DcgmSource } from './dcgm.js';
import { FakeDcgmExporter, gpuLines, UUID, WORKING, type Handler } from './testing-dcgm.js';
import { UNTOLD, type GpuEvent, type GpuReading, type GpuSample } from './types.js';

const MIB = 2 ** 20;
const context = { time: new Date(1000), source: 'dcgm' };

function samples(text: string): GpuSample[] {
  const result = readDcgmMetrics(text, context);
  if (!result.ok) throw new Error(result.reason);
  return result.samples;
}

describe('readDcgmMetrics', () => {
  it('reads a GPU, every unit turned into ours', () => {
    const text = `# HELP DCGM_FI_DEV_SM_CLOCK SM clock (in MHz).\n# TYPE DCGM_FI_DEV_SM_CLOCK gauge\n${gpuLines(0)}`;
    expect(samples(text)).toEqual([
      {
        ...UNTOLD,
        time: context.time,
        source: 'dcgm',
        replay: false,
        gpu: '0',
        uuid: UUID(0),
        name: 'NVIDIA H200',
        driver: null,
        memoryUsed: 96379 * MIB,
        memoryReserved: 616 * MIB,
        memoryTotal: 143771 * MIB,
        memoryRatio: 96379 / 143771,
        utilization: 0.57,
        memoryUtilization: 0.23,
        temperature: 58,
        memoryTemperature: 46,
        power: 690.81,
        powerLimit: null,
        energy: 5000.5,
        fanSpeed: null,
        smClock: 1485e6,
        memoryClock: 3201e6,
        throttleReasons: null,
        eccUncorrected: null,
        remappedCorrected: 1,
        remappedUncorrected: 2,
        remapFailed: false,
        pcieTx: null,
        pcieRx: null,
        pcieReplays: 3,
        migMode: null,
        processes: [],
      } satisfies GpuSample,
    ]);
  });

  it('reads the fields that a site may switch on', () => {
    const more = {
      ...WORKING,
      DCGM_FI_DEV_CLOCKS_EVENT_REASONS: 0x44,
      DCGM_FI_DEV_ENFORCED_POWER_LIMIT: 700,
      DCGM_FI_DEV_FAN_SPEED: 30,
      DCGM_FI_DEV_VIDEO_CLOCK: 1515,
      DCGM_FI_DEV_ECC_SBE_VOL_TOTAL: 4,
      DCGM_FI_DEV_ECC_DBE_VOL_TOTAL: 5,
      DCGM_FI_DEV_ROW_REMAP_PENDING: 1,
      DCGM_FI_PROF_PCIE_TX_BYTES: 1234.6,
      DCGM_FI_DEV_PCIE_RX_THROUGHPUT: 7,
      DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: 1,
      DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL: 2,
    };
    expect(samples(gpuLines(0, more, { Hostname: 'a', DCGM_FI_DRIVER_VERSION: '580.65.06' }))[0]).toMatchObject({
      driver: '580.65.06',
      throttleReasons: ['sw_power_cap', 'hw_thermal_slowdown'],
      powerLimit: 700,
      fanSpeed: 0.3,
      videoClock: 1515e6,
      eccCorrected: 4,
      eccUncorrected: 5,
      remapPending: true,
      pcieTx: 1235,
      pcieRx: 7000,
      nvlinkErrors: 3,
    });
  });

  it.each([
    ['older', { Hostname: 'node-a' }],
    ['newer', { hostname: 'node-a', pci_bus_id: '00000000:00:06.0' }],
    ["Kubernetes's", { Hostname: 'node-a', container: '', namespace: '', pod: '' }],
  ])('reads %s labels', (_, labels) => {
    expect(samples(gpuLines(0, WORKING, labels))).toEqual(samples(gpuLines(0)));
  });

  it('keeps the first where programs share a GPU, and orders GPUs by index', () => {
    const text =
      [10, 2, 0].map((gpu) => gpuLines(gpu)).join('') + gpuLines(2, { ...WORKING, DCGM_FI_DEV_GPU_UTIL: 99 });
    expect(samples(text).map((s) => [s.gpu, s.utilization])).toEqual([
      ['0', 0.57],
      ['2', 0.57],
      ['10', 0.57],
    ]);
  });

  it('makes each MIG instance a sample, and puts what belongs to the device into its own', () => {
    const instance = (id: string, used: number) => {
      const { DCGM_FI_DEV_GPU_UTIL: _a, DCGM_FI_DEV_MEM_COPY_UTIL: _b, ...rest } = WORKING;
      const fields = {
        ...rest,
        DCGM_FI_DEV_FB_USED: used,
        DCGM_FI_DEV_FB_FREE: 100 - used,
        DCGM_FI_DEV_FB_RESERVED: 0,
        DCGM_FI_PROF_GR_ENGINE_ACTIVE: 0.995,
      };
      return gpuLines(1, fields, { GPU_I_PROFILE: '1g.18gb', GPU_I_ID: id, Hostname: 'a' });
    };
    const [device, ...instances] = samples(instance('13', 25) + instance('7', 50));
    expect(device).toMatchObject({
      gpu: '1',
      uuid: UUID(1),
      temperature: 58,
      power: 690.81,
      memoryUsed: null,
      utilization: null,
      migMode: 'enabled',
      migProfile: null,
    });
    expect(instances).toMatchObject([
      { gpu: '1/7', memoryRatio: 0.5, utilization: 0.995, migProfile: '1g.18gb', uuid: null, power: null },
      { gpu: '1/13', memoryRatio: 0.25, utilization: 0.995, temperature: null },
    ]);
  });

  it.each(['NaN', '+Inf', '9223372036854775794', '2147483632', '140737488355328', '-1000'])(
    'takes %s for "not told" in every field, never for a value',
    (nothing) => {
      const [good] = samples(gpuLines(0));
      let absent = 0;
      for (const field of Object.keys(WORKING)) {
        const [sample] = samples(gpuLines(0, { ...WORKING, [field]: nothing }));
        for (const key of Object.keys(good!) as (keyof GpuSample)[]) {
          if (JSON.stringify(sample![key]) === JSON.stringify(good![key])) continue;
          // Without what the driver reserves, the whole is what remains.
          if (field === 'DCGM_FI_DEV_FB_RESERVED' && (key === 'memoryTotal' || key === 'memoryRatio')) continue;
          expect(sample![key], `${field}: ${key}`).toBeNull();
          absent++;
        }
      }
      expect(absent).toBeGreaterThanOrEqual(16);
    },
  );

  it('takes a memory at 0 °C for a GPU without the sensor', () => {
    expect(samples(gpuLines(0, { ...WORKING, DCGM_FI_DEV_MEMORY_TEMP: 0 }))[0]!.memoryTemperature).toBeNull();
  });

  it('leaves a GPU out whose values are all blank, and says so', () => {
    const blank = Object.fromEntries(Object.keys(WORKING).map((name) => [name, '9223372036854775794']));
    const result = readDcgmMetrics(gpuLines(0) + gpuLines(1, blank), context);
    expect(result).toMatchObject({ ok: true, samples: [{ gpu: '0' }], notes: [expect.stringMatching(/GPU 1 \(GPU-/)] });
    expect(readDcgmMetrics(gpuLines(1, blank), context)).toMatchObject({ ok: false, kind: 'gpu-lost' });
  });

  it('never gives a value that no device can have, whatever the numbers', () => {
    let state = 11;
    const below = (n: number): number => (state = (state * 48_271) % 2_147_483_647) % n;
    const odd = ['NaN', '-Inf', '+Inf', '-1', '0', '0.5', '1e308', '101', '9007199254740993', '2147483640', '1e-320'];
    const names = Object.keys(WORKING);
    let read = 0;
    for (let round = 0; round < 2000; round++) {
      const changes = Array.from({ length: 1 + below(8) }, () => [
        names[below(names.length)]!,
        odd[below(odd.length)]!,
      ]);
      const result = readDcgmMetrics(gpuLines(0, { ...WORKING, ...Object.fromEntries(changes) }), context);
      for (const sample of result.ok ? result.samples : []) {
        for (const value of Object.values(sample))
          if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
        for (const key of ['memoryRatio', 'utilization', 'memoryUtilization'] as const)
          expect(sample[key] ?? 0).toBeLessThanOrEqual(1);
        for (const key of ['memoryUsed', 'memoryTotal', 'pcieReplays', 'remappedCorrected'] as const)
          if (sample[key] !== null) expect(Number.isSafeInteger(sample[key]) && sample[key] >= 0).toBe(true);
        read++;
      }
    }
    expect(read).toBeGreaterThan(1500);
  });

  it.each([
    ['', 'empty', /empty page/],
    ['# HELP x y\n', 'empty', /empty page/],
    ['<html></html>\n', 'malformed', /line 1/],
    [gpuLines(0).slice(0, -9), 'malformed', /cut off/],
    ['node_load1 0.5\n', 'unexpected', /not a dcgm-exporter/],
    ['DCGM_FI_DEV_NVSWITCH_TEMP{nvswitch="0",Hostname="a"} 5\n', 'no-devices', /names no GPU/],
    [
      gpuLines(0) + gpuLines(0, WORKING, { Hostname: 'node-b' }),
      'unexpected',
      /several hosts: name the exporter of this node/,
    ],
  ])('refuses %j', (text, kind, reason) => {
    expect(readDcgmMetrics(text, context)).toEqual({ ok: false, kind, reason: expect.stringMatching(reason) });
  });
});

describe('DcgmSource', () => {
  let exporter: FakeDcgmExporter;
  let source: DcgmSource;
  const open = (url = exporter.url, timeoutSeconds = 20) =>
    new DcgmSource({ url, timeoutSeconds, now: () => new Date(1000) });

  beforeEach(async () => {
    exporter = await FakeDcgmExporter.start();
    source = open();
  });
  afterEach(async () => {
    await source.close();
    await exporter.stop();
  });

  it('reads over HTTP, again and again', async () => {
    for (let i = 0; i < 2; i++)
      expect(await source.read()).toMatchObject({
        state: 'up',
        source: 'dcgm',
        samples: [{ gpu: '0', power: 690.81, time: new Date(1000), replay: false }],
        events: [],
        notes: [],
      });
    expect(exporter.requests[0]!.headers.accept).toMatch(/text\/plain/);
  });

  it('has one reading in flight: who asks meanwhile gets the same', async () => {
    const [first, second] = await Promise.all([source.read(), source.read()]);
    expect(first).toBe(second);
    expect(exporter.requests).toHaveLength(1);
  });

  it('tells an XID when it changes: not the one it finds, nor the one that stays', async () => {
    const events = async (...codes: (number | undefined)[]): Promise<GpuEvent[][]> => {
      const all: GpuEvent[][] = [];
      for (const code of codes) {
        const { DCGM_FI_DEV_XID_ERRORS: _, ...rest } = WORKING;
        const fields = code === undefined ? rest : { ...rest, DCGM_FI_DEV_XID_ERRORS: code };
        exporter.does(gpuLines(0, fields) + gpuLines(1));
        const reading = await source.read();
        all.push(reading.state === 'up' ? reading.events : []);
      }
      return all;
    };
    const all = await events(31, 31, 79, 79, 0, 79, undefined, 13);
    expect(all.map((list) => list.map((e) => e.code))).toEqual([[], [], [79], [], [], [79], [], [13]]);
    expect(all[2]).toEqual([
      {
        time: new Date(1000),
        gpu: '0',
        uuid: UUID(0),
        replay: false,
        kind: 'xid',
        code: 79,
        class: 'critical',
        meaning: expect.stringMatching(/bus/),
        source: 'dcgm',
        message: null,
      },
    ]);
  });

  it('does not take a failure between two readings for a change', async () => {
    exporter.does(gpuLines(0, { ...WORKING, DCGM_FI_DEV_XID_ERRORS: 79 }));
    await source.read();
    exporter.does('nonsense\n');
    await source.read();
    exporter.does(gpuLines(0, { ...WORKING, DCGM_FI_DEV_XID_ERRORS: 79 }));
    expect(await source.read()).toMatchObject({ state: 'up', events: [] });
  });

  const packed = gzipSync('# x\n'.repeat(3 * 2 ** 20));
  it.each<[string, string | Handler, string, RegExp]>([
    ['a status', (_, response) => void response.writeHead(503).end('no'), 'unreachable', /status 503/],
    ['another page', '<html>\n', 'malformed', /line 1/],
    ['too much', '# x\n'.repeat(3 * 2 ** 20), 'too-large', /8 MiB/],
    [
      'too much, packed',
      (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed),
      'too-large',
      /8 MiB/,
    ],
    [
      'half an answer',
      (_, response) =>
        void response.writeHead(200, { 'content-length': '9999' }).write('x 1\n', () => response.destroy()),
      'unreachable',
      /./,
    ],
    [
      'a way elsewhere',
      (_, response) => void response.writeHead(302, { location: '/' }).end(),
      'unreachable',
      /redirect/,
    ],
  ])('gives a reason for %s, and reads well afterwards', async (_, what, kind, reason) => {
    exporter.does(what);
    const reading = (await source.read()) as GpuReading & { reason: string };
    expect(reading).toMatchObject({ state: 'failed', source: 'dcgm', kind, reason: expect.stringMatching(reason) });
    expect(reading.reason).toContain(`http://127.0.0.1:${exporter.port}/metrics`);
    exporter.does(gpuLines(0));
    expect(await source.read()).toMatchObject({ state: 'up' });
  });

  it('says that nobody listens there', async () => {
    await exporter.stop();
    expect(await source.read()).toMatchObject({
      state: 'failed',
      kind: 'unreachable',
      reason: expect.stringMatching(/ECONNREFUSED/),
    });
    exporter = await FakeDcgmExporter.start();
  });

  it('gives up at the deadline, before an answer and within one', async () => {
    await source.close();
    source = open(exporter.url, 0.2);
    exporter.does(() => undefined);
    expect(await source.read()).toMatchObject({ kind: 'timeout', reason: expect.stringMatching(/within 0.2 s/) });
    exporter.does((_, response) => void response.write(gpuLines(0)));
    expect(await source.read()).toMatchObject({ kind: 'timeout' });
    exporter.does(gpuLines(0));
    await expect.poll(async () => (await source.read()).state, { timeout: 20_000 }).toBe('up');
  });

  it.each(['abort', 'close'] as const)('ends a reading in flight on %s', async (how) => {
    const asked = new Promise<void>((done) => exporter.does(() => done()));
    const abort = new AbortController();
    const reading = source.read(abort.signal);
    await asked;
    if (how === 'abort') abort.abort();
    else await source.close();
    expect(await reading).toMatchObject({ state: 'failed', kind: 'aborted' });
  });

  it('reads nothing after it was closed', async () => {
    await source.close();
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'aborted' });
    expect(exporter.requests).toHaveLength(0);
  });

  it('sends the credentials of its URL, and never says them', async () => {
    await source.close();
    source = open(`http://us%40er:s%3Aecret@127.0.0.1:${exporter.port}/metrics?token=secret`);
    expect(await source.read()).toMatchObject({ state: 'up' });
    const expected = Buffer.from('us@er:s:ecret').toString('base64');
    expect(exporter.requests[0]!.headers.authorization).toBe(`Basic ${expected}`);
    exporter.does('nonsense\n');
    expect(JSON.stringify(await source.read())).not.toMatch(/secret|er:/);
  });
});
