import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeNvml, hasCompiler, NvmlBench } from './testing-nvml.js';
import { UNTOLD, type GpuSample } from './types.js';

describe.skipIf(!hasCompiler())('NvmlSource', () => {
  let bench: NvmlBench;
  let fake: FakeNvml;

  beforeAll(async () => {
    bench = await NvmlBench.make();
    ({ fake } = bench);
  });
  beforeEach(() => bench.reset());
  afterEach(() => bench.source.close());
  afterAll(() => bench.remove());

  it('gives every value in our units', async () => {
    expect(await bench.source.read()).toEqual({
      state: 'up',
      source: 'nvml',
      notes: [],
      events: [],
      samples: [
        {
          time: new Date(1000),
          source: 'nvml',
          replay: false,
          gpu: '0',
          uuid: 'GPU-0',
          name: 'Fake GPU',
          migProfile: null,
          driver: '580.159.04',
          memoryUsed: 96370 * 2 ** 20,
          memoryReserved: 616 * 2 ** 20,
          memoryTotal: 143771 * 2 ** 20,
          memoryRatio: 96370 / 143771,
          utilization: 0.57,
          memoryUtilization: 0.29,
          temperature: 40,
          memoryTemperature: 55,
          temperatureMargin: 24,
          power: 690.81,
          powerLimit: 700,
          energy: Number.MAX_SAFE_INTEGER / 1000,
          fanSpeed: 0.3,
          smClock: 1.98e9,
          memoryClock: 3.201e9,
          graphicsClock: 1.965e9,
          videoClock: 1.545e9,
          throttleReasons: ['sw_power_cap'],
          eccCorrected: 5,
          eccUncorrected: 2,
          remappedCorrected: 1,
          remappedUncorrected: 2,
          remapPending: true,
          remapFailed: false,
          recoveryAction: 'none',
          pcieReplays: 7,
          nvlinkTx: 1000 * 1024,
          nvlinkRx: 2000 * 1024,
          nvlinkErrors: 4321,
          pcieTx: 1e6,
          pcieRx: 2e6,
          migMode: 'disabled',
          processes: [{ pid: 412, name: 'process-412', memory: 2 ** 30, container: null, runtime: false }],
        },
      ],
    });
  });

  it.each([1, 2, 16])('reads %i GPUs, each with its own handle', async (count) => {
    await fake.does(`gpus=${count}`);
    const all = await bench.samples();
    expect(all.map((s) => [s.gpu, s.uuid, s.temperature])).toEqual(
      Array.from({ length: count }, (_, i) => [String(i), `GPU-${i}`, 40 + i]),
    );
  });

  it('sees a GPU that came while the others read well, and one that went and is back', async () => {
    const counts = async (cycles: number) => {
      const found: number[] = [];
      for (let i = 0; i < cycles; i++) found.push((await bench.samples()).length);
      return found;
    };
    await fake.does('gpus=2');
    expect(await counts(2)).toEqual([2, 2]);
    await fake.does('gpus=3');
    expect((await counts(4)).at(-1)).toBe(3);
    await fake.does('gpus=1');
    expect((await counts(4)).at(-1)).toBe(1);
    await fake.does('gpus=3');
    expect((await counts(4)).at(-1)).toBe(3);
  });

  it('initialises once, and makes the slow calls in every fourth cycle', async () => {
    const slow: number[] = [];
    for (let cycle = 0; cycle < 9; cycle++) {
      const told = await bench.one();
      expect(told).toMatchObject({ pcieTx: 1e6, pcieRx: 2e6, powerLimit: 700, migMode: 'disabled', eccUncorrected: 2 });
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
      [
        'nvmlDeviceGetFieldValues',
        {
          memoryTemperature: null,
          recoveryAction: null,
          nvlinkTx: null,
          nvlinkRx: null,
          nvlinkErrors: null,
          // Told by calls of their own.
          pcieReplays: 8,
          remappedCorrected: 11,
          remappedUncorrected: 12,
          remapPending: false,
          remapFailed: true,
        },
      ],
      // 89 °C less the 40 °C of now.
      ['nvmlDeviceGetMarginTemperature', { temperatureMargin: 49 }],
      ['nvmlDeviceGetPowerUsage', { power: null }],
      ['nvmlDeviceGetEnforcedPowerLimit', { powerLimit: null }],
      ['nvmlDeviceGetTotalEnergyConsumption', { energy: null }],
      ['nvmlDeviceGetFanSpeed', { fanSpeed: null }],
      ['nvmlDeviceGetClockInfo', { smClock: null, memoryClock: null, graphicsClock: null, videoClock: null }],
      ['nvmlDeviceGetCurrentClocksEventReasons', { throttleReasons: ['hw_thermal_slowdown'] }],
      ['nvmlDeviceGetTotalEccErrors', { eccCorrected: null, eccUncorrected: null }],
      ['nvmlDeviceGetPcieThroughput', { pcieTx: null, pcieRx: null }],
      ['nvmlDeviceGetMigMode', { migMode: null }],
      ['nvmlEventSetCreate', {}],
      ['nvmlDeviceGetSupportedEventTypes', {}],
      ['nvmlDeviceRegisterEvents', {}],
      ['nvmlEventSetWait_v2', {}],
      ['nvmlDeviceGetUUID', { uuid: null }],
      ['nvmlDeviceGetName', { name: null }],
      ['nvmlSystemGetDriverVersion', { driver: null }],
      [
        'nvmlSystemGetProcessName',
        { processes: [{ pid: 412, name: null, memory: 2 ** 30, container: null, runtime: false }] },
      ],
      ['nvmlDeviceGetComputeRunningProcesses_v3', { processes: [] }],
    ];

    it.each(NULLS)('%s not supported: never zero, and the others are read', async (name, expected) => {
      const before = await bench.one();
      await bench.remake();
      await fake.does(`${name}=3`);
      const reading = await bench.source.read();
      expect(reading).toMatchObject({ state: 'up', notes: [] });
      expect(reading.state === 'up' && reading.samples[0]).toEqual({
        ...before,
        ...expected,
        ...(expected.memoryUsed && { memoryRatio: expected.memoryUsed / before.memoryTotal! }),
      });
    });

    it('a library that lacks them all but the memory still serves', async () => {
      const lacking = NULLS.map(([name]) => name);
      const more = [
        'nvmlDeviceGetCurrentClocksThrottleReasons',
        'nvmlDeviceGetComputeRunningProcesses_v2',
        'nvmlDeviceGetRemappedRows',
        'nvmlDeviceGetPcieReplayCounter',
        'nvmlDeviceGetTemperatureThreshold',
        'nvmlEventSetWait',
      ];
      await bench.remake(await fake.library('poor', [...lacking, ...more]));
      const reading = await bench.source.read();
      expect(reading).toMatchObject({ state: 'up', notes: [] });
      expect(reading.state === 'up' && reading.samples[0]).toEqual({
        ...UNTOLD,
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
        throttleReasons: null,
        eccUncorrected: null,
        pcieTx: null,
        pcieRx: null,
        migMode: null,
        processes: [{ pid: 612, name: null, memory: 2 ** 30, container: null, runtime: false }],
      });
    });

    it('a library without the newest memory structure is asked for the older one', async () => {
      await fake.does('nvmlDeviceGetMemoryInfo_v2=25');
      expect(await bench.one()).toMatchObject({ memoryReserved: null, memoryUsed: (96370 + 616) * 2 ** 20 });
    });

    it.each([4, 10, 16, 999])('code %i costs its value alone, and is remarked upon', async (code) => {
      await fake.does(`nvmlDeviceGetPowerUsage=${code}`, `nvmlDeviceGetMemoryInfo_v2=${code}`);
      expect(await bench.source.read()).toMatchObject({
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
    expect(await bench.one()).toMatchObject({
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
    expect(await bench.one()).toMatchObject({ energy: 0.012 });
    await fake.does('value.nvmlDeviceGetTotalEnergyConsumption=9007199254740993');
    expect(await bench.one()).toMatchObject({ energy: null });
  });

  it.each([
    [0, 0, 55, 55],
    [1, 0, 55, 55],
    [2, 0, 55, 55],
    [3, 0, 55, 55],
    [4, 0, -5, -5],
    [5, 0, -5, -5],
    [6, 0, 55, null],
    [1, 2, 55, null],
    [1, 3, 55, null],
    [1, 26, 55, null],
    [3, 0, '18446744073709551615', null],
    [4, 0, '-9223372036854775808', null],
  ])('reads a field value of type %i and status %i', async (type, status, told, expected) => {
    await fake.does(`field.82=${told}`, `field.82.type=${type}`, `field.82.status=${status}`);
    expect(await bench.source.read()).toMatchObject({ notes: [], samples: [{ memoryTemperature: expected }] });
  });

  it('remarks upon a field that fails, and reads the others', async () => {
    await fake.does('field.94=1', 'field.94.status=999');
    expect(await bench.source.read()).toMatchObject({
      notes: [expect.stringMatching(/for field 94 with code 999: \w/)],
      samples: [{ nvlinkTx: 1000 * 1024, pcieReplays: 8 }],
    });
  });

  it.each([
    [1, 'gpu_reset', 0],
    [2, 'node_reboot', 0],
    [3, 'drain_p2p', 0],
    [4, 'drain_and_reset', 0],
    [5, null, 1],
  ])('recovery action %i is %s', async (told, expected, notes) => {
    await fake.does(`field.230=${told}`);
    const reading = await bench.source.read();
    expect(reading).toMatchObject({ state: 'up', samples: [{ recoveryAction: expected }] });
    expect(reading.state === 'up' && reading.notes).toHaveLength(notes);
  });

  it('adds up the errors of NVLinks that are told', async () => {
    await fake.does('field.38.status=3', 'field.38=1', 'field.45.status=3', 'field.45=1');
    expect(await bench.one()).toMatchObject({ nvlinkErrors: 4300 });
  });

  it('has no margin where neither it nor a threshold is told', async () => {
    await fake.does('nvmlDeviceGetMarginTemperature=25', 'nvmlDeviceGetTemperatureThreshold=3');
    expect(await bench.source.read()).toMatchObject({ notes: [], samples: [{ temperatureMargin: null }] });
  });

  describe('PCIe traffic', () => {
    /** Of five readings, of which the first and the last ask for it. */
    const afterTwo = async (...later: string[]): Promise<GpuSample> => {
      await bench.samples();
      await fake.does(...later);
      for (let i = 0; i < 3; i++) await bench.samples();
      return bench.one();
    };

    it('is the rate of the byte counters where there are such', async () => {
      await fake.does('field.197=1000000', 'field.198=5000000');
      const { pcieTx, pcieRx } = await afterTwo('field.197=3000000', 'field.198=5000000');
      expect(pcieTx).toBeGreaterThan(0);
      expect(pcieRx).toBe(0);
      expect(await fake.callsSoFar()).not.toContain('PcieThroughput');
    });

    it('is measured where the counters have 32 bits or have gone back', async () => {
      await fake.does('field.197=1', 'field.198=1', 'field.197.type=1');
      expect(await bench.one()).toMatchObject({ pcieTx: 1e6, pcieRx: 2e6 });
      await bench.remake();
      await fake.does('field.197=1000', 'field.198=1000');
      expect(await afterTwo('field.197=2000', 'field.198=999')).toMatchObject({ pcieTx: 1e6, pcieRx: 2e6 });
    });
  });

  it('names every reason that lowers clocks, but not idleness', async () => {
    await fake.does('value.nvmlDeviceGetCurrentClocksEventReasons=511');
    expect((await bench.one()).throttleReasons).toEqual([
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

  describe('processes', () => {
    it('may be many, of unknown memory, and both computing and drawing', async () => {
      await fake.does('processes=200', 'drawing=3');
      const { processes } = await bench.one();
      expect(processes.map((p) => p.pid)).toEqual(Array.from({ length: 200 }, (_, i) => 412 + i));
      expect(processes.slice(0, 3).map((p) => p.memory)).toEqual([2 ** 30, null, 2 ** 30]);
    });

    it('that never fit are left out with a remark', async () => {
      await fake.does('processes=100000');
      expect(await bench.source.read()).toMatchObject({
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
      expect((await bench.one()).processes.map((p) => p.pid)).toEqual([pid, pid + 1, pid + 2]);
    });

    it('of a library that writes longer entries harm nothing', async () => {
      await bench.remake(await fake.library('long', [], ['-DLONG_PROCESSES']));
      await fake.does('processes=64');
      for (let i = 0; i < 3; i++) expect((await bench.one()).processes[0]).toMatchObject({ pid: 412, memory: 2 ** 30 });
    });

    it('of a library without the newest calls are read by older ones', async () => {
      const v3 = 'nvmlDeviceGetComputeRunningProcesses_v3';
      await bench.remake(await fake.library('no-v3', [v3]));
      expect((await bench.one()).processes).toMatchObject([{ pid: 512, memory: 2 ** 30 }]);
      await bench.remake(await fake.library('v1', [v3, 'nvmlDeviceGetComputeRunningProcesses_v2']));
      await fake.does('processes=2');
      expect((await bench.one()).processes).toMatchObject([
        { pid: 612, memory: 2 ** 30 },
        { pid: 613, memory: null },
      ]);
    });
  });
});
