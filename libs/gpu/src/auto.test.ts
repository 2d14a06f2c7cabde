import { createLogger, type Logger } from '@vigil/service';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AutoSource } from './auto.js';
import { NvidiaSmiSource } from './nvidia-smi.js';
import { NvmlSource } from './nvml.js';
import { FakeNvml, hasCompiler } from './testing-nvml.js';
import { FakeNvidiaSmi } from './testing.js';

describe.skipIf(!hasCompiler())('AutoSource', () => {
  let nvml: FakeNvml;
  let smi: FakeNvidiaSmi;
  let library: string;
  let source: AutoSource;
  let lines: { source: string; why: string }[];

  const make = (options: { library?: string; path?: string } = {}): AutoSource => {
    lines = [];
    const log = { ...createLogger('test', 'silent'), info: (line: (typeof lines)[number]) => lines.push(line) };
    const env = options.path === undefined ? smi.env() : { ...process.env, PATH: options.path };
    return new AutoSource({
      nvml: () => new NvmlSource({ timeoutSeconds: 20, library: options.library ?? library, env: nvml.env() }),
      nvidiaSmi: () => new NvidiaSmiSource({ timeoutSeconds: 20, env }),
      log: log as unknown as Logger,
    });
  };

  beforeAll(async () => {
    nvml = await FakeNvml.make();
    library = await nvml.library();
    smi = await FakeNvidiaSmi.make();
  });
  afterAll(async () => {
    await nvml.remove();
    await smi.remove();
  });
  beforeEach(async () => {
    await nvml.does();
    await smi.does('cat load.xml');
  });
  afterEach(() => source.close());

  it('is NVML where it runs, says so once, and stays with it', async () => {
    source = make();
    expect(await source.read()).toMatchObject({ state: 'up', source: 'nvml' });
    await nvml.does('nvmlDeviceGetPowerUsage=9');
    expect(await source.read()).toMatchObject({ state: 'failed', source: 'nvml', kind: 'driver' });
    expect(lines).toEqual([{ source: 'nvml', why: expect.stringMatching(/NVML runs here/) }]);
  });

  it('is NVML where it runs and a GPU is lost', async () => {
    await nvml.does('*.0=15');
    source = make();
    expect(await source.read()).toMatchObject({ state: 'failed', source: 'nvml', kind: 'gpu-lost' });
    expect(lines).toMatchObject([{ source: 'nvml' }]);
  });

  it.each([
    ['the library is missing', '/nowhere/libnvidia-ml.so.1', '', /library is not here/],
    ['it cannot be initialised', undefined, 'nvmlInit_v2=9', /code 9/],
  ])('is nvidia-smi where %s', async (_, missing, behaviour, why) => {
    await nvml.does(behaviour);
    source = make({ ...(missing !== undefined && { library: missing }) });
    for (let i = 0; i < 2; i++) expect(await source.read()).toMatchObject({ state: 'up', source: 'nvidia-smi' });
    expect(lines).toEqual([{ source: 'nvidia-smi', why: expect.stringMatching(why) }]);
  });

  it('is none where neither is, and finds what comes later', async () => {
    source = make({ path: '/nowhere' });
    await nvml.does('nvmlInit_v2=12');
    for (let i = 0; i < 2; i++)
      expect(await source.read()).toMatchObject({
        state: 'none',
        source: 'none',
        reason: expect.stringMatching(/code 12.*not on the PATH/),
      });
    expect(lines).toEqual([{ source: 'none', why: expect.stringMatching(/GPU_SOURCE is auto/) }]);
    await nvml.does();
    expect(await source.read()).toMatchObject({ state: 'up', source: 'nvml' });
  });

  it('chooses neither while both fail', async () => {
    await nvml.does('nvmlInit_v2=9');
    await smi.does('exit 9');
    source = make();
    expect(await source.read()).toMatchObject({ state: 'failed', source: 'nvidia-smi', kind: 'driver' });
    expect(lines).toEqual([]);
    await nvml.does();
    expect(await source.read()).toMatchObject({ state: 'up', source: 'nvml' });
  });

  it('reads nothing after it was closed', async () => {
    source = make();
    await source.close();
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'aborted' });
  });
});
