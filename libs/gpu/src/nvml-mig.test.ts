import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { profileOf } from './nvml-mig.js';
import { FakeNvml, hasCompiler, NvmlBench } from './testing-nvml.js';

const MIB = 2 ** 20;

describe.skipIf(!hasCompiler())('MIG', () => {
  let bench: NvmlBench;
  let fake: FakeNvml;

  beforeAll(async () => {
    bench = await NvmlBench.make();
    ({ fake } = bench);
  });
  beforeEach(() => bench.reset());
  afterEach(() => bench.source.close());
  afterAll(() => bench.remove());

  it('gives the GPU and each instance, with its own memory and processes', async () => {
    await fake.does('gpus=2', 'instances.0=2', 'nvmlDeviceGetUtilizationRates.0=3', 'processes=3');
    const reading = await bench.source.read();
    expect(reading).toMatchObject({ state: 'up', notes: [] });
    const all = reading.state === 'up' ? reading.samples : [];
    expect(all.map((s) => [s.gpu, s.uuid, s.migMode, s.migProfile, s.utilization])).toEqual([
      ['0', 'GPU-0', 'enabled', null, null],
      ['0/1', 'MIG-0-1', 'enabled', '1g.18gb', null],
      ['0/2', 'MIG-0-2', 'enabled', '1g.18gb', null],
      ['1', 'GPU-1', 'disabled', null, 0.57],
    ]);
    expect(all.map((s) => s.processes.map((p) => p.pid))).toEqual([
      [412, 413, 414],
      [412, 414],
      [413],
      [412, 413, 414],
    ]);
    expect(all[2]).toEqual({
      time: new Date(1000),
      source: 'nvml',
      replay: false,
      gpu: '0/2',
      uuid: 'MIG-0-2',
      name: 'Fake GPU MIG 1g.18gb',
      migProfile: '1g.18gb',
      driver: '580.159.04',
      memoryUsed: 2048 * MIB,
      memoryReserved: 10 * MIB,
      memoryTotal: 18432 * MIB,
      memoryRatio: 2 / 18,
      utilization: null,
      memoryUtilization: null,
      temperature: null,
      memoryTemperature: null,
      temperatureMargin: null,
      power: null,
      powerLimit: null,
      energy: null,
      fanSpeed: null,
      smClock: null,
      memoryClock: null,
      graphicsClock: null,
      videoClock: null,
      throttleReasons: null,
      eccCorrected: null,
      eccUncorrected: null,
      remappedCorrected: null,
      remappedUncorrected: null,
      remapPending: null,
      remapFailed: null,
      recoveryAction: null,
      pcieTx: null,
      pcieRx: null,
      pcieReplays: null,
      nvlinkTx: null,
      nvlinkRx: null,
      nvlinkErrors: null,
      migMode: 'enabled',
      processes: [{ pid: 413, name: 'process-413', memory: null, container: null, runtime: false }],
    });
  });

  it('gives one sample for an instance with several compute instances', async () => {
    await fake.does('instances=2', 'compute.1=2');
    expect((await bench.samples()).map((s) => s.gpu)).toEqual(['0', '0/1', '0/2']);
  });

  it('takes the profile from the attributes where the name has none', async () => {
    await fake.does('instances=1', 'profile=');
    expect((await bench.samples())[1]).toMatchObject({ name: 'Fake GPU', migProfile: '3g.70gb' });
    await bench.remake();
    await fake.does('instances=1', 'profile=', 'nvmlDeviceGetAttributes_v2=3');
    expect((await bench.samples())[1]).toMatchObject({ migProfile: null });
  });

  it('asks each instance for its processes where the GPU does not tell them to this user', async () => {
    const v3 = 'nvmlDeviceGetComputeRunningProcesses_v3.0=4';
    await fake.does('instances=2', 'compute.1=2', v3, 'nvmlDeviceGetGraphicsRunningProcesses_v3.0=4');
    const reading = await bench.source.read();
    expect(reading).toMatchObject({ state: 'up', notes: [] });
    const pids = reading.state === 'up' && reading.samples.map((s) => s.processes.map((p) => p.pid));
    expect(pids).toEqual([[422, 432], [422], [432]]);
  });

  it('remarks upon processes that this user may not see, without MIG', async () => {
    await fake.does('nvmlDeviceGetComputeRunningProcesses_v3=4');
    expect(await bench.source.read()).toMatchObject({
      samples: [{ processes: [] }],
      notes: [expect.stringMatching(/ComputeRunningProcesses answered with code 4/)],
    });
  });

  it('follows instances that come and go', async () => {
    const gpus = async () => (await bench.samples()).map((s) => s.gpu);
    await fake.does('instances=2');
    expect(await gpus()).toEqual(['0', '0/1', '0/2']);
    // A handle that died is noticed at once.
    await fake.does('instances=1');
    expect(await gpus()).toEqual(['0', '0/1']);
    // A new instance is found at the slow beat.
    await fake.does('instances=3');
    for (let i = 0; i < 2; i++) expect(await gpus()).toEqual(['0', '0/1']);
    expect(await gpus()).toEqual(['0', '0/1', '0/2', '0/3']);
    await fake.does('instances=0');
    expect((await bench.source.read()).state).toBe('up');
    for (let i = 0; i < 4; i++) expect(await gpus()).toEqual(['0']);
    expect(await bench.one()).toMatchObject({ migMode: 'disabled' });
  });

  it.each([1, 2, 9, 15, 28, 999])('leaves out an instance whose memory answers with %i', async (code) => {
    await fake.does('instances=2', `nvmlDeviceGetMemoryInfo_v2.0/1=${code}`);
    expect((await bench.samples()).map((s) => s.gpu)).toEqual(['0', '0/2']);
  });

  it('without its calls gives the GPU alone', async () => {
    await fake.does('instances=2', 'nvmlDeviceGetMaxMigDeviceCount=3');
    expect(await bench.samples()).toHaveLength(1);
    await bench.remake(
      await fake.library('no-mig', [
        'nvmlDeviceGetMigDeviceHandleByIndex',
        'nvmlDeviceGetGpuInstanceId',
        'nvmlDeviceGetAttributes_v2',
      ]),
    );
    await fake.does('instances=2');
    expect(await bench.samples()).toHaveLength(1);
  });

  it('keeps its instances when another GPU is lost', async () => {
    await fake.does('gpus=2', 'instances.0=1', '*.1=15');
    for (let i = 0; i < 6; i++) expect((await bench.samples()).map((s) => s.gpu)).toEqual(['0', '0/1']);
  });

  it('ends the reading when the GPU itself is lost', async () => {
    await fake.does('instances=1');
    expect(await bench.samples()).toHaveLength(2);
    await fake.does('instances=1', 'nvmlDeviceGetComputeRunningProcesses_v3.0=15');
    expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
  });
});

describe('the profile in the name of a MIG device', () => {
  it.each([
    ['NVIDIA A100-SXM4-40GB MIG 1g.5gb', '1g.5gb'],
    ['NVIDIA H100 80GB HBM3 MIG 1g.10gb+me', '1g.10gb+me'],
    ['NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb', '3g.40gb'],
    ['NVIDIA H200', null],
    [null, null],
  ])('%s is %s', (name, expected) => {
    expect(profileOf(name)).toBe(expected);
  });
});
