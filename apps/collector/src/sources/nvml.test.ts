import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NvmlSource } from './nvml.js';
import { FakeNvml, hasCompiler } from './testing-nvml.js';
import { runs } from './testing.js';
import type { GpuReading, GpuSample } from './types.js';

const PATIENCE = { timeout: 20_000, interval: 20 };
const CHILD = fileURLToPath(new URL('../../dist/sources/nvml-child.js', import.meta.url));

describe('without the library', () => {
  it('there is no GPU: a state, not an error', async () => {
    const source = new NvmlSource({ timeoutSeconds: 20, library: '/nowhere/libnvidia-ml.so.1' });
    expect(await source.read()).toEqual({
      state: 'none',
      source: 'nvml',
      reason: expect.stringMatching(/NVML library is not here.*\/nowhere\/libnvidia-ml/),
    });
    await source.close();
  });

  it('a file that is no library is a failure', async () => {
    const source = new NvmlSource({ timeoutSeconds: 20, library: fileURLToPath(import.meta.url) });
    expect(await source.read()).toMatchObject({
      state: 'failed',
      kind: 'driver',
      reason: expect.stringMatching(/cannot be loaded/),
    });
    await source.close();
  });
});

describe.skipIf(!hasCompiler())('NvmlSource', () => {
  let fake: FakeNvml;
  let whole: string;
  let source: NvmlSource;

  const make = (library = whole, timeoutSeconds = 20): NvmlSource =>
    new NvmlSource({ timeoutSeconds, library, env: fake.env(), now: () => new Date(1000) });
  const remake = async (library?: string, timeoutSeconds?: number): Promise<void> => {
    await source.close();
    source = make(library, timeoutSeconds);
  };
  const samples = async (): Promise<GpuSample[]> => {
    const reading = await source.read();
    if (reading.state !== 'up') throw new Error(reading.reason);
    return reading.samples;
  };
  const one = async (): Promise<GpuSample> => (await samples())[0]!;
  const good = (reading: GpuReading): void =>
    expect(reading).toMatchObject({ state: 'up', samples: [{ uuid: 'GPU-0', power: 690.81 }], notes: [] });

  beforeAll(async () => {
    fake = await FakeNvml.make();
    whole = await fake.library();
  });
  afterAll(() => fake.remove());
  beforeEach(async () => {
    await fake.does();
    await fake.calls();
    source = make();
  });
  afterEach(() => source.close());

  it('gives every value in our units', async () => {
    expect(await source.read()).toEqual({
      state: 'up',
      source: 'nvml',
      notes: [],
      samples: [
        {
          time: new Date(1000),
          source: 'nvml',
          replay: false,
          gpu: '0',
          uuid: 'GPU-0',
          name: 'Fake GPU',
          driver: '580.159.04',
          memoryUsed: 96370 * 2 ** 20,
          memoryReserved: 616 * 2 ** 20,
          memoryTotal: 143771 * 2 ** 20,
          memoryRatio: 96370 / 143771,
          utilization: 0.57,
          memoryUtilization: 0.29,
          temperature: 40,
          memoryTemperature: 55,
          power: 690.81,
          powerLimit: 700,
          energy: Number.MAX_SAFE_INTEGER / 1000,
          fanSpeed: 0.3,
          smClock: 1.98e9,
          memoryClock: 3.201e9,
          throttleReasons: ['sw_power_cap'],
          eccUncorrected: 2,
          pcieTx: 1e6,
          pcieRx: 2e6,
          migMode: 'disabled',
          processes: [{ pid: 412, name: 'process-412', memory: 2 ** 30 }],
        },
      ],
    });
  });

  it.each([1, 2, 16])('reads %i GPUs, each with its own handle', async (count) => {
    await fake.does(`gpus=${count}`);
    const all = await samples();
    expect(all.map((s) => [s.gpu, s.uuid, s.temperature])).toEqual(
      Array.from({ length: count }, (_, i) => [String(i), `GPU-${i}`, 40 + i]),
    );
  });

  it('initialises once, and makes the slow calls in every fourth cycle', async () => {
    const slow: number[] = [];
    for (let cycle = 0; cycle < 9; cycle++) {
      expect(await one()).toMatchObject({ pcieTx: 1e6, pcieRx: 2e6, powerLimit: 700, migMode: 'disabled' });
      const calls = await fake.calls();
      expect(calls.filter((c) => c === 'nvmlInit_v2')).toHaveLength(cycle === 0 ? 1 : 0);
      if (calls.includes('nvmlDeviceGetPcieThroughput 0')) slow.push(cycle);
    }
    expect(slow).toEqual([0, 4, 8]);
  });

  describe('a value that the device does not tell', () => {
    const NULLS: readonly (readonly [string, Partial<GpuSample>])[] = [
      ['nvmlDeviceGetMemoryInfo_v2', { memoryReserved: null, memoryUsed: (96370 + 616) * 2 ** 20 }],
      ['nvmlDeviceGetUtilizationRates', { utilization: null, memoryUtilization: null }],
      ['nvmlDeviceGetTemperature', { temperature: null }],
      ['nvmlDeviceGetFieldValues', { memoryTemperature: null }],
      ['nvmlDeviceGetPowerUsage', { power: null }],
      ['nvmlDeviceGetEnforcedPowerLimit', { powerLimit: null }],
      ['nvmlDeviceGetTotalEnergyConsumption', { energy: null }],
      ['nvmlDeviceGetFanSpeed', { fanSpeed: null }],
      ['nvmlDeviceGetClockInfo', { smClock: null, memoryClock: null }],
      ['nvmlDeviceGetCurrentClocksEventReasons', { throttleReasons: ['hw_thermal_slowdown'] }],
      ['nvmlDeviceGetTotalEccErrors', { eccUncorrected: null }],
      ['nvmlDeviceGetPcieThroughput', { pcieTx: null, pcieRx: null }],
      ['nvmlDeviceGetMigMode', { migMode: null }],
      ['nvmlDeviceGetUUID', { uuid: null }],
      ['nvmlDeviceGetName', { name: null }],
      ['nvmlSystemGetDriverVersion', { driver: null }],
      ['nvmlSystemGetProcessName', { processes: [{ pid: 412, name: null, memory: 2 ** 30 }] }],
      ['nvmlDeviceGetComputeRunningProcesses_v3', { processes: [] }],
    ];

    it.each(NULLS)('%s not supported: never zero, and the others are read', async (name, expected) => {
      const before = await one();
      await remake();
      await fake.does(`${name}=3`);
      const reading = await source.read();
      expect(reading).toMatchObject({ state: 'up', notes: [] });
      expect(reading.state === 'up' && reading.samples[0]).toEqual({
        ...before,
        ...expected,
        ...(expected.memoryUsed && { memoryRatio: expected.memoryUsed / before.memoryTotal! }),
      });
    });

    it('a library that lacks them all but the memory still serves', async () => {
      const lacking = NULLS.map(([name]) => name);
      const more = ['nvmlDeviceGetCurrentClocksThrottleReasons', 'nvmlDeviceGetComputeRunningProcesses_v2'];
      await remake(await fake.library('poor', [...lacking, ...more]));
      const reading = await source.read();
      expect(reading).toMatchObject({ state: 'up', notes: [] });
      expect(reading.state === 'up' && reading.samples[0]).toEqual({
        time: new Date(1000),
        source: 'nvml',
        replay: false,
        gpu: '0',
        uuid: null,
        name: null,
        driver: null,
        memoryUsed: (96370 + 616) * 2 ** 20,
        memoryReserved: null,
        memoryTotal: 143771 * 2 ** 20,
        memoryRatio: (96370 + 616) / 143771,
        utilization: null,
        memoryUtilization: null,
        temperature: null,
        memoryTemperature: null,
        power: null,
        powerLimit: null,
        energy: null,
        fanSpeed: null,
        smClock: null,
        memoryClock: null,
        throttleReasons: [],
        eccUncorrected: null,
        pcieTx: null,
        pcieRx: null,
        migMode: null,
        processes: [{ pid: 612, name: null, memory: 2 ** 30 }],
      });
    });

    it('a library without the newest memory structure is asked for the older one', async () => {
      await fake.does('nvmlDeviceGetMemoryInfo_v2=25');
      expect(await one()).toMatchObject({ memoryReserved: null, memoryUsed: (96370 + 616) * 2 ** 20 });
    });

    it.each([4, 10, 16, 999])('code %i costs its value alone, and is remarked upon', async (code) => {
      await fake.does(`nvmlDeviceGetPowerUsage=${code}`, `nvmlDeviceGetMemoryInfo_v2=${code}`);
      expect(await source.read()).toMatchObject({
        state: 'up',
        samples: [{ power: null, memoryUsed: null, memoryRatio: null, temperature: 40 }],
        notes: [
          expect.stringMatching(`nvmlDeviceGetMemoryInfo_v2 answered with code ${code}: \\w`),
          expect.stringMatching(`nvmlDeviceGetPowerUsage answered with code ${code}: \\w`),
        ],
      });
    });
  });

  it('takes what no device can have for nothing', async () => {
    await fake.does(
      'value.nvmlDeviceGetTotalEnergyConsumption=18446744073709551615',
      'value.nvmlDeviceGetTotalEccErrors=18446744073709551615',
      'value.nvmlDeviceGetMemoryInfo_v2=18446744073709551615',
      'value.nvmlDeviceGetPowerUsage=4294967295',
      'value.nvmlDeviceGetTemperature=4294967295',
      'value.nvmlDeviceGetUtilizationRates=101',
    );
    expect(await one()).toMatchObject({
      energy: null,
      eccUncorrected: null,
      memoryUsed: null,
      memoryRatio: null,
      power: null,
      temperature: null,
      utilization: null,
    });
  });

  it('normalises 64-bit values, small and great', async () => {
    await fake.does('value.nvmlDeviceGetTotalEnergyConsumption=12');
    expect(await one()).toMatchObject({ energy: 0.012 });
    await fake.does('value.nvmlDeviceGetTotalEnergyConsumption=9007199254740993');
    expect(await one()).toMatchObject({ energy: null });
  });

  it.each([
    [0, 0, 55],
    [1, 0, 55],
    [2, 0, 55],
    [3, 0, 55],
    [4, 0, -5],
    [5, 0, -5],
    [6, 0, null],
    [1, 3, null],
  ])('reads a field value of type %i and status %i', async (type, status, expected) => {
    await fake.does(`field.type=${type}`, `field.status=${status}`);
    expect(await one()).toMatchObject({ memoryTemperature: expected });
  });

  it('names every reason that lowers clocks, but not idleness', async () => {
    await fake.does('value.nvmlDeviceGetCurrentClocksEventReasons=511');
    expect((await one()).throttleReasons).toEqual([
      'applications_clocks_setting',
      'sw_power_cap',
      'hw_slowdown',
      'sync_boost',
      'sw_thermal_slowdown',
      'hw_thermal_slowdown',
      'hw_power_brake_slowdown',
      'display_clocks_setting',
    ]);
  });

  describe('MIG', () => {
    it('leaves the utilisation open', async () => {
      await fake.does('value.nvmlDeviceGetMigMode=1', 'nvmlDeviceGetUtilizationRates=3');
      expect(await one()).toMatchObject({ migMode: 'enabled', utilization: null, temperature: 40 });
    });
  });

  describe('processes', () => {
    it('may be many, of unknown memory, and both computing and drawing', async () => {
      await fake.does('processes=200', 'drawing=3');
      const { processes } = await one();
      expect(processes.map((p) => p.pid)).toEqual(Array.from({ length: 200 }, (_, i) => 412 + i));
      expect(processes.slice(0, 3).map((p) => p.memory)).toEqual([2 ** 30, null, 2 ** 30]);
    });

    it('that never fit are left out with a remark', async () => {
      await fake.does('processes=100000');
      expect(await source.read()).toMatchObject({
        state: 'up',
        samples: [{ processes: [] }],
        notes: [expect.stringMatching(/RunningProcesses_v3 answered with code 7/)],
      });
    });

    it.each([
      ['535.42.01', 412],
      ['535.43.02', 512],
      ['535.86.05', 512],
      ['535.104.05', 412],
      ['580.159.04', 412],
    ])('of driver %s begin with pid %i', async (driver, pid) => {
      await fake.does(`driver=${driver}`, 'processes=3');
      expect((await one()).processes.map((p) => p.pid)).toEqual([pid, pid + 1, pid + 2]);
    });

    it('of a library that writes longer entries harm nothing', async () => {
      await remake(await fake.library('long', [], ['-DLONG_PROCESSES']));
      await fake.does('processes=64');
      for (let i = 0; i < 3; i++) expect((await one()).processes[0]).toMatchObject({ pid: 412, memory: 2 ** 30 });
    });

    it('of a library without the newest calls are read by older ones', async () => {
      const v3 = 'nvmlDeviceGetComputeRunningProcesses_v3';
      await remake(await fake.library('no-v3', [v3]));
      expect((await one()).processes).toMatchObject([{ pid: 512, memory: 2 ** 30 }]);
      await remake(await fake.library('v1', [v3, 'nvmlDeviceGetComputeRunningProcesses_v2']));
      await fake.does('processes=2');
      expect((await one()).processes).toMatchObject([
        { pid: 612, memory: 2 ** 30 },
        { pid: 613, memory: null },
      ]);
    });
  });

  describe('a code that ends the cycle', () => {
    it.each([
      [1, 'driver', /not initialised/],
      [9, 'driver', /driver is not loaded/],
      [15, 'gpu-lost', /fell off the bus/],
      [18, 'driver', /do not fit/],
      [28, 'gpu-lost', /not there/],
    ])('%i: fails it, shuts down, and the next initialises anew', async (code, kind, reason) => {
      good(await source.read());
      await fake.calls();
      await fake.does(`nvmlDeviceGetPowerUsage=${code}`);
      expect(await source.read()).toMatchObject({ state: 'failed', kind, reason: expect.stringMatching(reason) });
      expect((await fake.calls()).slice(-2)).toEqual(['nvmlDeviceGetPowerUsage 0', 'nvmlShutdown']);
      await fake.does();
      good(await source.read());
      expect((await fake.calls())[0]).toBe('nvmlInit_v2');
    });

    it.each([9, 10, 12, 18, 999])('%i from the initialisation: fails it, and the next tries again', async (code) => {
      await fake.does(`nvmlInit_v2=${code}`);
      for (let i = 0; i < 2; i++)
        expect(await source.read()).toMatchObject({
          state: 'failed',
          kind: 'driver',
          reason: expect.stringMatching(`could not be initialised \\(code ${code}: \\w`),
        });
      expect(await fake.calls()).toEqual(['nvmlInit_v2', 'nvmlInit_v2']);
      await fake.does();
      good(await source.read());
    });

    it('a library too old to be initialised says so', async () => {
      await remake(await fake.library('ancient', ['nvmlInit_v2']));
      expect(await source.read()).toMatchObject({
        state: 'failed',
        kind: 'driver',
        reason: expect.stringMatching(/13/),
      });
    });
  });

  it('says when there is no GPU, or none can be counted', async () => {
    await fake.does('gpus=0');
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'no-devices' });
    await fake.does('nvmlDeviceGetCount_v2=999');
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'error', reason: expect.stringMatching(/999/) });
    await fake.does('gpus=4000000000');
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'error' });
    await fake.does();
    good(await source.read());
  });

  describe('a GPU that vanishes between two readings', () => {
    const vanish = [
      ['from all its calls', '*.1=15'],
      ['from its values, and has a handle still', 'nvmlDeviceGetMemoryInfo_v2.1=15'],
    ] as const;
    it.each(vanish)('%s: fails that one, then is left out with a remark, and comes back', async (_, behaviour) => {
      await fake.does('gpus=3');
      expect(await samples()).toHaveLength(3);
      await fake.does('gpus=3', behaviour);
      expect(await source.read()).toMatchObject({
        state: 'failed',
        kind: 'gpu-lost',
        reason: expect.stringMatching(/GPU 1 \(GPU-1\).*fell off the bus/),
      });
      for (let i = 0; i < 2; i++)
        expect(await source.read()).toMatchObject({
          state: 'up',
          samples: [{ gpu: '0' }, { gpu: '2' }],
          notes: [expect.stringMatching(/no value for GPU 1.*fell off the bus/)],
        });
      await fake.does('gpus=3');
      expect(await source.read()).toMatchObject({ state: 'up', samples: [{}, {}, {}], notes: [] });
    });

    it('from the count: the others are read', async () => {
      await fake.does('gpus=2');
      expect(await samples()).toHaveLength(2);
      await fake.does('gpus=1', '*.1=28');
      expect(await source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
      expect(await samples()).toHaveLength(1);
    });

    it('with every value: is left out', async () => {
      await fake.does('gpus=2', '*.1=999');
      expect(await source.read()).toMatchObject({ state: 'up', samples: [{ gpu: '0' }] });
      await fake.does('gpus=1', '*.0=999');
      expect(await source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
    });

    it('as the last one: the reading fails', async () => {
      good(await source.read());
      await fake.does('*.0=15');
      for (let i = 0; i < 2; i++) expect(await source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
      await fake.does();
      good(await source.read());
    });
  });

  describe('the child', () => {
    /** Its process, by the environment that only it has. */
    const children = async (): Promise<number[]> => {
      const found: number[] = [];
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (line.includes(CHILD) && line.includes(fake.folder) && (await runs(Number(pid)))) found.push(Number(pid));
      }
      return found;
    };
    const hanging = (): Promise<void> =>
      vi.waitFor(async () => {
        expect(await fake.callsSoFar()).toContain('nvmlDeviceGetPowerUsage');
      }, PATIENCE);

    it.each(['nvmlInit_v2', 'nvmlDeviceGetPowerUsage'])('that hangs in %s is killed at the deadline', async (name) => {
      await remake(whole, 3);
      await fake.does(`${name}=hang`);
      expect(await source.read()).toMatchObject({
        state: 'failed',
        kind: 'timeout',
        reason: 'NVML gave no answer within 3 s and was killed',
      });
      expect(await children()).toEqual([]);
      await fake.does();
      good(await source.read());
      expect(await children()).toHaveLength(1);
      await source.close();
      expect(await children()).toEqual([]);
    });

    it('that crashes is replaced', async () => {
      good(await source.read());
      await fake.does('nvmlDeviceGetPowerUsage=crash');
      expect(await source.read()).toMatchObject({
        state: 'failed',
        kind: 'child',
        reason: expect.stringMatching(/SIGSEGV/),
      });
      await fake.does();
      good(await source.read());
    });

    it('is replaced after a driver failure: a process keeps the library that it has loaded', async () => {
      good(await source.read());
      const [before] = await children();
      await fake.does('nvmlDeviceGetPowerUsage=18');
      expect(await source.read()).toMatchObject({ state: 'failed', kind: 'driver' });
      await fake.does();
      good(await source.read());
      const after = await children();
      expect(after).toHaveLength(1);
      expect(after).not.toContain(before);
    });

    it.each(['abort', 'close'] as const)('that hangs ends on %s', async (how) => {
      await fake.does('nvmlDeviceGetPowerUsage=hang');
      const abort = new AbortController();
      const reading = source.read(abort.signal);
      await hanging();
      if (how === 'abort') abort.abort();
      else await source.close();
      expect(await reading).toMatchObject({ state: 'failed', kind: 'aborted' });
      expect(await children()).toEqual([]);
    });

    it('that hangs dies with a parent that was killed', async () => {
      await fake.does('nvmlDeviceGetPowerUsage=hang');
      const script = `require('node:child_process').fork(${JSON.stringify(CHILD)}, [${JSON.stringify(whole)}], { detached: true }).send({ id: 1 }); setInterval(() => {}, 1000)`;
      const parent = spawn(process.execPath, ['-e', script], { env: fake.env(), stdio: 'ignore' });
      try {
        await hanging();
        parent.kill('SIGKILL');
        await vi.waitFor(async () => expect(await children()).toEqual([]), PATIENCE);
      } finally {
        parent.kill('SIGKILL');
        for (const pid of await children()) process.kill(pid, 'SIGKILL');
      }
    });
  });
});
