import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NvmlSource } from './nvml.js';
import { FakeNvml, hasCompiler, NvmlBench } from './testing-nvml.js';
import { runs } from './testing.js';
import type { GpuReading } from './types.js';

const PATIENCE = { timeout: 20_000, interval: 20 };
const CHILD = fileURLToPath(new URL('../dist/nvml-child.js', import.meta.url));

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

describe.skipIf(!hasCompiler())('NvmlSource, when something fails', () => {
  let bench: NvmlBench;
  let fake: FakeNvml;

  const good = (reading: GpuReading): void =>
    expect(reading).toMatchObject({ state: 'up', samples: [{ uuid: 'GPU-0', power: 690.81 }], notes: [] });

  beforeAll(async () => {
    bench = await NvmlBench.make();
    ({ fake } = bench);
  });
  beforeEach(() => bench.reset());
  afterEach(() => bench.source.close());
  afterAll(() => bench.remove());

  describe('a code that ends the cycle', () => {
    it.each([
      [1, 'driver', /not initialised/],
      [9, 'driver', /driver is not loaded/],
      [15, 'gpu-lost', /fell off the bus/],
      [18, 'driver', /do not fit/],
      [28, 'gpu-lost', /not there/],
    ])('%i: fails it, shuts down, and the next initialises anew', async (code, kind, reason) => {
      good(await bench.source.read());
      await fake.calls();
      await fake.does(`nvmlDeviceGetPowerUsage=${code}`);
      expect(await bench.source.read()).toMatchObject({ state: 'failed', kind, reason: expect.stringMatching(reason) });
      expect((await fake.calls()).slice(-4)).toEqual([
        'nvmlDeviceGetPowerUsage 0',
        'nvmlEventSetWait_v2',
        'nvmlEventSetFree',
        'nvmlShutdown',
      ]);
      await fake.does();
      good(await bench.source.read());
      expect((await fake.calls())[0]).toBe('nvmlInit_v2');
    });

    it.each([9, 10, 12, 18, 999])('%i from the initialisation: fails it, and the next tries again', async (code) => {
      await fake.does(`nvmlInit_v2=${code}`);
      for (let i = 0; i < 2; i++)
        expect(await bench.source.read()).toMatchObject({
          state: 'failed',
          kind: 'driver',
          reason: expect.stringMatching(`could not be initialised \\(code ${code}: \\w`),
        });
      expect(await fake.calls()).toEqual(['nvmlInit_v2', 'nvmlInit_v2']);
      await fake.does();
      good(await bench.source.read());
    });

    it('is heeded wherever it comes from', async () => {
      good(await bench.source.read());
      const device = (await fake.calls()).map((call) => call.split(' ')[0]!);
      const asked = new Set(device.filter((name) => !['nvmlInit_v2', 'nvmlShutdown'].includes(name)));
      expect(asked.size).toBeGreaterThan(20);
      for (const name of asked) {
        // Anew, so that the calls of the slow beat are among those that fail.
        await fake.does('nvmlDeviceGetPowerUsage=15');
        expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
        await fake.does(`${name}=15`);
        expect(await bench.source.read(), name).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
        await fake.does();
        good(await bench.source.read());
      }
    });

    it.each([1, 9, 15, 18, 28])('%i is heeded in the status of a field, too', async (code) => {
      await fake.does(`field.82.status=${code}`, 'field.82=55');
      expect(await bench.source.read()).toMatchObject({ state: 'failed' });
      await fake.does();
      good(await bench.source.read());
    });

    it('a library too old to be initialised says so', async () => {
      await bench.remake(await fake.library('ancient', ['nvmlInit_v2']));
      expect(await bench.source.read()).toMatchObject({
        state: 'failed',
        kind: 'driver',
        reason: expect.stringMatching(/13/),
      });
    });
  });

  describe('a library that lacks', () => {
    it.each(['nvmlDeviceGetCount_v2', 'nvmlDeviceGetHandleByIndex_v2'])('%s cannot be read', async (name) => {
      await bench.remake(await fake.library('without', [name]));
      expect(await bench.source.read()).toMatchObject({ state: 'failed', reason: expect.stringMatching(/\w/) });
    });

    it('any other function is read without a remark', async () => {
      good(await bench.source.read());
      const named = (await fake.calls()).map((call) => call.split(' ')[0]!);
      const needed = ['nvmlInit_v2', 'nvmlDeviceGetCount_v2', 'nvmlDeviceGetHandleByIndex_v2'];
      const others = [...new Set(named)].filter((name) => !needed.includes(name));
      expect(others.length).toBeGreaterThan(20);
      for (const name of [...others, 'nvmlShutdown', 'nvmlEventSetFree']) {
        await bench.remake(await fake.library('without', [name]));
        expect(await bench.source.read(), name).toMatchObject({ state: 'up', samples: [{ gpu: '0' }], notes: [] });
      }
    });
  });

  it('says when there is no GPU, or none can be counted', async () => {
    await fake.does('gpus=0');
    expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'no-devices' });
    await fake.does('nvmlDeviceGetCount_v2=999');
    expect(await bench.source.read()).toMatchObject({
      state: 'failed',
      kind: 'error',
      reason: expect.stringMatching(/999/),
    });
    await fake.does('gpus=4000000000');
    expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'error' });
    await fake.does();
    good(await bench.source.read());
  });

  describe('a GPU that vanishes between two readings', () => {
    const vanish = [
      ['from all its calls', '*.1=15'],
      ['from its values, and has a handle still', 'nvmlDeviceGetMemoryInfo_v2.1=15'],
    ] as const;
    it.each(vanish)('%s: fails that one, then is left out with a remark, and comes back', async (_, behaviour) => {
      await fake.does('gpus=3');
      expect(await bench.samples()).toHaveLength(3);
      await fake.does('gpus=3', behaviour);
      expect(await bench.source.read()).toMatchObject({
        state: 'failed',
        kind: 'gpu-lost',
        reason: expect.stringMatching(/GPU 1 \(GPU-1\).*fell off the bus/),
      });
      for (let i = 0; i < 2; i++)
        expect(await bench.source.read()).toMatchObject({
          state: 'up',
          samples: [{ gpu: '0' }, { gpu: '2' }],
          notes: [expect.stringMatching(/no value for GPU 1.*fell off the bus/)],
        });
      await fake.does('gpus=3');
      expect(await bench.source.read()).toMatchObject({ state: 'up', samples: [{}, {}, {}], notes: [] });
    });

    it('from the count: the others are read', async () => {
      await fake.does('gpus=2');
      expect(await bench.samples()).toHaveLength(2);
      await fake.does('gpus=1', '*.1=28');
      expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
      expect(await bench.samples()).toHaveLength(1);
    });

    it('with every value: is left out', async () => {
      await fake.does('gpus=2', '*.1=999');
      expect(await bench.source.read()).toMatchObject({ state: 'up', samples: [{ gpu: '0' }] });
      await fake.does('gpus=1', '*.0=999');
      expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
    });

    it('as the last one: the reading fails', async () => {
      good(await bench.source.read());
      await fake.does('*.0=15');
      for (let i = 0; i < 2; i++)
        expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'gpu-lost' });
      await fake.does();
      good(await bench.source.read());
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
      await bench.remake(bench.whole, 3);
      await fake.does(`${name}=hang`);
      expect(await bench.source.read()).toMatchObject({
        state: 'failed',
        kind: 'timeout',
        reason: 'NVML gave no answer within 3 s and was killed',
      });
      expect(await children()).toEqual([]);
      await fake.does();
      good(await bench.source.read());
      expect(await children()).toHaveLength(1);
      await bench.source.close();
      expect(await children()).toEqual([]);
    });

    it('that crashes is replaced', async () => {
      good(await bench.source.read());
      await fake.does('nvmlDeviceGetPowerUsage=crash');
      expect(await bench.source.read()).toMatchObject({
        state: 'failed',
        kind: 'child',
        reason: expect.stringMatching(/SIGSEGV/),
      });
      await fake.does();
      good(await bench.source.read());
    });

    it('is replaced after a driver failure: a process keeps the library that it has loaded', async () => {
      good(await bench.source.read());
      const [before] = await children();
      await fake.does('nvmlDeviceGetPowerUsage=18');
      expect(await bench.source.read()).toMatchObject({ state: 'failed', kind: 'driver' });
      await fake.does();
      good(await bench.source.read());
      const after = await children();
      expect(after).toHaveLength(1);
      expect(after).not.toContain(before);
    });

    it.each(['abort', 'close'] as const)('that hangs ends on %s', async (how) => {
      await fake.does('nvmlDeviceGetPowerUsage=hang');
      const abort = new AbortController();
      const reading = bench.source.read(abort.signal);
      await hanging();
      if (how === 'abort') abort.abort();
      else await bench.source.close();
      expect(await reading).toMatchObject({ state: 'failed', kind: 'aborted' });
      expect(await children()).toEqual([]);
    });

    it('that hangs dies with a parent that was killed', async () => {
      await fake.does('nvmlDeviceGetPowerUsage=hang');
      const script = `require('node:child_process').fork(${JSON.stringify(CHILD)}, [${JSON.stringify(bench.whole)}], { detached: true }).send({ id: 1 }); setInterval(() => {}, 1000)`;
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
