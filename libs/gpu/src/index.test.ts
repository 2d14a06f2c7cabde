import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, readConfig } from '@vigil/service';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createGpuSource, gpuConfig } from './index.js';
import { FakeDcgmExporter } from './testing-dcgm.js';

const schema = z.object(gpuConfig);
const log = createLogger('test', 'silent');

describe('gpuConfig', () => {
  it('has presets', () => {
    expect(readConfig(schema, {})).toEqual({
      GPU_SOURCE: 'auto',
      GPU_INTERVAL: 15,
      GPU_TIMEOUT: 5,
      DCGM_URL: 'http://127.0.0.1:9400/metrics',
      KERNEL_LOG: '/dev/kmsg',
      METRICS_COMPAT: 'none',
    });
  });

  it('describes every variable', () => {
    for (const part of Object.values(gpuConfig)) expect(part.description).toMatch(/\w/);
  });

  it.each([
    [{ GPU_SOURCE: 'amd' }, /GPU_SOURCE is "amd": one of auto, nvml, nvidia-smi, dcgm, replay, none is expected/],
    [{ GPU_INTERVAL: '100ms' }, /GPU_INTERVAL is "100ms": .*at least 500ms/],
    [{ DCGM_URL: 'localhost:9400' }, /DCGM_URL is wrong: a URL that begins with http/],
    [{ METRICS_COMPAT: 'all' }, /METRICS_COMPAT is "all": one of none, dcgm is expected/],
    [{ GPU_TIMEOUT: 'soon' }, /GPU_TIMEOUT is "soon": a duration/],
  ])('refuses %j with a sentence', (env, sentence) => {
    expect(() => readConfig(schema, env)).toThrow(sentence);
  });
});

describe('createGpuSource', () => {
  const create = (env: Record<string, string>) => createGpuSource(readConfig(schema, env), log);

  it.each([
    [{}, 'auto'],
    [{ GPU_SOURCE: 'nvml' }, 'nvml'],
    [{ GPU_SOURCE: 'nvidia-smi' }, 'nvidia-smi'],
    [{ GPU_SOURCE: 'dcgm' }, 'dcgm'],
    [{ GPU_SOURCE: 'replay' }, 'replay'],
    [{ GPU_SOURCE: 'none' }, 'none'],
  ])('%j is %s', async (env, name) => {
    const source = await create(env);
    expect(source.name).toBe(name);
    await source.close();
  });

  it('reads nothing with none', async () => {
    const source = await create({ GPU_SOURCE: 'none' });
    expect(await source.read()).toEqual({ state: 'none', source: 'none', reason: 'GPU_SOURCE is none' });
  });

  it('asks the NVML library that the configuration names', async () => {
    const source = await create({ GPU_SOURCE: 'nvml', NVML_LIBRARY: '/nowhere/libnvidia-ml.so' });
    expect(await source.read()).toMatchObject({
      state: 'none',
      reason: expect.stringMatching(/\/nowhere\/libnvidia-ml\.so/),
    });
    await source.close();
  });

  it('never asks a dcgm-exporter that runs here unless told to', async () => {
    const exporter = await FakeDcgmExporter.start();
    const auto = await create({ NVML_LIBRARY: '/nowhere/libnvidia-ml.so', DCGM_URL: exporter.url });
    const dcgm = await create({ GPU_SOURCE: 'dcgm', DCGM_URL: exporter.url });
    try {
      expect((await auto.read()).source).not.toBe('dcgm');
      expect(exporter.requests).toHaveLength(0);
      expect(await dcgm.read()).toMatchObject({ state: 'up', source: 'dcgm' });
    } finally {
      await auto.close();
      await dcgm.close();
      await exporter.stop();
    }
  });

  it('plays a script, and refuses a wrong one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-replay-'));
    try {
      const file = join(folder, 'script.json');
      const step = { recording: 'h200-load', seconds: 60, memoryUsedRatio: 0.95 };
      await writeFile(file, JSON.stringify({ loop: true, steps: [step] }));
      const source = await create({ GPU_SOURCE: 'replay', REPLAY_SCRIPT: file });
      const reading = await source.read();
      expect(reading.state === 'up' && reading.samples[0]!.memoryRatio).toBeCloseTo(0.95, 6);
      await source.close();
      await writeFile(file, '{"steps":[]}');
      await expect(create({ GPU_SOURCE: 'replay', REPLAY_SCRIPT: file })).rejects.toThrow(/at least one step/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
