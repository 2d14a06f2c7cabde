import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeNvml, hasCompiler, NvmlBench } from './testing-nvml.js';
import type { GpuEvent } from './types.js';

describe.skipIf(!hasCompiler())('XIDs from NVML', () => {
  let bench: NvmlBench;
  let fake: FakeNvml;

  beforeAll(async () => {
    bench = await NvmlBench.make();
    ({ fake } = bench);
  });
  beforeEach(() => bench.reset());
  afterEach(() => bench.source.close());
  afterAll(() => bench.remove());

  const events = async (): Promise<GpuEvent[]> => {
    const reading = await bench.source.read();
    if (reading.state !== 'up') throw new Error(reading.reason);
    return reading.events;
  };
  const codes = async (): Promise<(number | null)[]> => (await events()).map((event) => event.code);

  it('come with the next reading, once, with their GPU, class and meaning', async () => {
    await fake.does('gpus=2');
    expect(await events()).toEqual([]);
    await fake.happens([1, 79]);
    expect(await events()).toEqual([
      {
        time: new Date(1000),
        gpu: '1',
        uuid: 'GPU-1',
        replay: false,
        kind: 'xid',
        code: 79,
        class: 'critical',
        meaning: expect.stringMatching(/\w/),
        source: 'nvml',
        message: null,
      },
    ]);
    expect(await events()).toEqual([]);
  });

  it('are all taken, in order, without waiting', async () => {
    await bench.samples();
    await fake.happens([0, 13], [0, 31], [0, 48]);
    expect(await codes()).toEqual([13, 31, 48]);
  });

  it('that never end do not hold up the reading', async () => {
    await bench.samples();
    await fake.happens(...Array.from({ length: 300 }, (_, i) => [0, i] as const));
    expect(await codes()).toHaveLength(256);
    expect(await codes()).toHaveLength(44);
  });

  it('name the MIG instance', async () => {
    await fake.does('instances=2');
    await bench.samples();
    await fake.happens([0, 43, 2], [0, 43, 7], [0, 48]);
    expect(await events()).toMatchObject([
      { gpu: '0/2', uuid: 'MIG-0-2' },
      { gpu: '0/7', uuid: null },
      { gpu: '0', uuid: 'GPU-0' },
    ]);
  });

  it('of a GPU that is unknown are kept without it', async () => {
    await bench.samples();
    await fake.happens([9, 79], [0, '18446744073709551615']);
    expect(await events()).toMatchObject([
      { gpu: null, uuid: null, code: 79 },
      { gpu: '0', code: null, class: 'unknown' },
    ]);
  });

  it.each([1, 15, 28])('of a cycle that fails with %i come with the next good one', async (code) => {
    await bench.samples();
    await fake.happens([0, 79]);
    await fake.does(`nvmlDeviceGetPowerUsage=${code}`);
    expect(await bench.source.read()).toMatchObject({ state: 'failed' });
    expect(await bench.source.read()).toMatchObject({ state: 'failed' });
    await fake.does();
    expect(await codes()).toEqual([79]);
    expect(await codes()).toEqual([]);
  });

  it('outlive a child that is replaced after a driver failure', async () => {
    await bench.samples();
    await fake.happens([0, 119]);
    await fake.does('nvmlDeviceGetPowerUsage=9');
    expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'driver' });
    await fake.does();
    expect(await codes()).toEqual([119]);
  });

  it('are told by the other GPUs while one is lost', async () => {
    await fake.does('gpus=2', '*.1=15');
    await bench.samples();
    await fake.happens([0, 31]);
    expect(await codes()).toEqual([31]);
    await fake.happens([0, 43]);
    expect(await codes()).toEqual([43]);
  });

  it.each([1, 9, 15, 18, 28])('waiting for them fails the cycle with code %i', async (code) => {
    await bench.samples();
    await fake.does(`nvmlEventSetWait_v2=${code}`);
    expect(await bench.source.read()).toMatchObject({ state: 'failed' });
    await fake.does();
    expect(await codes()).toEqual([]);
  });

  it('cost nothing but a remark where waiting for them fails', async () => {
    await fake.does('nvmlEventSetWait_v2=999');
    expect(await bench.source.read()).toMatchObject({
      state: 'up',
      events: [],
      notes: [expect.stringMatching(/EventSetWait_v2 answered with code 999/)],
    });
  });

  it.each([
    ['value.nvmlDeviceGetSupportedEventTypes=3', []],
    ['nvmlDeviceGetSupportedEventTypes=3', [31]],
    ['nvmlDeviceRegisterEvents=3', []],
    ['nvmlEventSetCreate=3', []],
  ])('with %s are %j', async (behaviour, expected) => {
    await fake.does(behaviour);
    await bench.samples();
    await fake.happens([0, 31]);
    expect(await codes()).toEqual(expected);
  });

  it('are taken by the older call where the library has no newer one', async () => {
    await bench.remake(await fake.library('old-events', ['nvmlEventSetWait_v2']));
    await bench.samples();
    await fake.happens([0, 31]);
    expect(await events()).toMatchObject([{ gpu: '0', code: 31 }]);
  });
});
