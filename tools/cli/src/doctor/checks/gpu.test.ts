import type { FactsReading, GpuSample } from '@vigil/gpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveSubject, type SizeOptions } from '../../size/subject.js';
import { gpusOf, h200s, Tree } from '../testing.js';
import type { Check, Context, Finding } from '../types.js';
import { decideDriver, decideLibraries, gpuDriver, gpuLibraries } from './driver.js';
import { gpuEcc, gpuMemory, gpuPersistence, gpuPresent, memoryOfHost, namesOf } from './gpu.js';
import { decideBandwidth, gpuBandwidth } from './memory-bandwidth.js';

const GIB = 2 ** 30;
let tree: Tree;
beforeAll(async () => {
  tree = await Tree.make({ 'proc/meminfo': 'MemTotal: 33554432 kB\nMemAvailable: 30000000 kB\n' });
});
afterAll(() => tree.remove());

const device = {
  gpu: '0',
  name: 'NVIDIA H200',
  architecture: 'Hopper',
  persistence: true as boolean | null,
  ecc: true as boolean | null,
  eccPending: true as boolean | null,
  memoryClockMax: 3_201_000_000,
};
const facts = (...changes: Partial<typeof device>[]): FactsReading => ({
  state: 'up',
  driver: '580.159.04',
  cuda: '13.0',
  devices: changes.map((change, i) => ({ ...device, gpu: String(i), ...change })),
});

async function run(check: Check, samples: GpuSample[], told: FactsReading, more: Partial<Context> = {}) {
  return check.run(tree.context({ gpus: gpusOf(samples, told), ...more }));
}
const none = (check: Check, more: Partial<Context> = {}) => check.run(tree.context(more));
const subject = (options: SizeOptions) => resolveSubject(options);

describe('without a GPU', () => {
  it('the doctor says so', async () => {
    expect(await none(gpuPresent)).toMatchObject({
      status: 'warn',
      measured: 'none',
      reason: 'There is no GPU that can be read here (no library is here).',
    });
    for (const check of [gpuDriver, gpuLibraries, gpuPersistence, gpuEcc])
      expect(await none(check), check.id).toEqual({ status: 'skip', measured: null, reason: 'There is no GPU.' });
  });

  it('a model is held against the memory of the machine', async () => {
    // 32 GiB: the 7B with 3.5 GiB of KV cache needs 8.1 GiB, the 70B 57 GiB.
    expect(await none(gpuMemory, { subject: await subject({ model: '7b' }) })).toMatchObject({
      status: 'warn',
      measured: '8.14 GiB of 32.0 GiB of the machine (25 %)',
      reason: expect.stringContaining('would run on its processors, slowly'),
    });
    expect(await none(gpuMemory, { subject: await subject({ model: '70b' }) })).toMatchObject({ status: 'fail' });
    expect(memoryOfHost(await subject({ model: '7b' }), null)).toMatchObject({ status: 'skip' });
  });
});

describe('GPUs', () => {
  it('are named and counted', async () => {
    expect(await run(gpuPresent, await h200s(2), facts({}, {}))).toMatchObject({
      status: 'pass',
      measured: '2 × NVIDIA H200, 140 GiB each',
    });
    expect(namesOf(['A', null, 'B', 'A'])).toBe('2 × A, GPU, B');
  });

  it('that can not be read fail', async () => {
    const gpus: Context['gpus'] = () =>
      Promise.resolve({
        reading: { state: 'failed', source: 'nvml', kind: 'gpu-lost', reason: 'GPU 0 is lost' },
        facts: { state: 'failed', reason: 'nvidia-smi ended with code 15: lost' },
      });
    expect(await none(gpuPresent, { gpus })).toMatchObject({ status: 'fail', reason: 'GPU 0 is lost (read by nvml).' });
    expect(await none(gpuPersistence, { gpus })).toMatchObject({
      status: 'skip',
      reason: 'nvidia-smi does not tell: nvidia-smi ended with code 15: lost.',
    });
    expect(await none(gpuMemory, { gpus, subject: await subject({ model: '7b' }) })).toMatchObject({ status: 'skip' });
  });

  it('that are a recording are told to be one', async () => {
    const samples = await h200s(1, { replay: true });
    expect(await run(gpuPresent, samples, facts({}))).toMatchObject({
      reason: expect.stringContaining('It is a recording that is played'),
    });
    for (const check of [gpuPersistence, gpuEcc, gpuLibraries])
      expect(await run(check, samples, facts({})), check.id).toMatchObject({ status: 'skip' });
  });

  it('in MIG count by instance, and not at all without one', async () => {
    const [parent] = await h200s(1, { migMode: 'enabled' });
    expect(await run(gpuPresent, [parent!], facts({}))).toMatchObject({ status: 'fail' });
    const part = { ...parent!, gpu: '0/1', migProfile: '1g.18gb', memoryTotal: 18 * GIB };
    const samples = [parent!, part, { ...part, gpu: '0/2' }];
    expect(await run(gpuPresent, samples, facts({}))).toMatchObject({ measured: '2 × NVIDIA H200, 18.0 GiB each' });
  });
});

describe('memory for the model', () => {
  const on = async (options: SizeOptions, samples: GpuSample[]): Promise<Finding> =>
    run(gpuMemory, samples, facts({}), { subject: await subject(options) });

  it('is asked for a model', async () => {
    expect(await run(gpuMemory, await h200s(1), facts({}))).toMatchObject({
      status: 'skip',
      reason: expect.stringContaining('--model'),
    });
  });

  it('passes with the fewest GPUs that hold it', async () => {
    expect(await on({ model: '7b' }, await h200s(8))).toMatchObject({
      status: 'pass',
      measured: '8.82 GiB of 140 GiB (6 %)',
      values: { gpus: 1, gpuBytes: 143_771 * 2 ** 20 },
    });
    expect(await on({ model: 'deepseek-r1' }, await h200s(8))).toMatchObject({ status: 'pass', values: { gpus: 4 } });
  });

  it('fails with what would fit', async () => {
    const finding = await on({ model: '70b', quantization: 'bf16' }, await h200s(1, { memoryTotal: 64 * GIB }));
    expect(finding).toMatchObject({
      status: 'fail',
      remedy: expect.stringMatching(/^Would fit: .*Q3_K_M weights \(answers suffer much\) \(--quantization q3_k_m\)/),
    });
    expect(await on({ model: 'deepseek-r1' }, await h200s(4, { memoryTotal: GIB / 4 }))).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('Use GPUs with more memory'),
    });
  });

  it('warns where it fits barely', async () => {
    // 8.82 GiB of 9.5 are 93 %.
    expect(await on({ model: '7b' }, await h200s(1, { memoryTotal: 9.5 * GIB, memoryUsed: 0 }))).toMatchObject({
      status: 'warn',
      reason: expect.stringContaining('fits barely'),
    });
  });

  it('warns where others hold the memory', async () => {
    const process = { pid: 4711, name: 'python3', memory: 135 * GIB, container: null, runtime: false };
    const samples = await h200s(1, { memoryUsed: 135 * GIB, memoryReserved: GIB, processes: [process] });
    expect(await on({ model: '7b' }, samples)).toMatchObject({
      status: 'warn',
      reason: expect.stringContaining('only 4.40 GiB of a GPU are free now (python3, PID 4711, holds 135 GiB)'),
    });
  });

  it('deals heads out evenly: 28 of them to 7 GPUs of 8', async () => {
    const samples = await h200s(8, { memoryTotal: 8 * GIB, memoryUsed: 0 });
    expect(await on({ model: '7b', quantization: 'bf16', concurrency: 16 }, samples)).toMatchObject({
      status: 'pass',
      values: { gpus: 4 },
    });
    expect(await on({ model: '7b', quantization: 'bf16', concurrency: 40 }, samples)).toMatchObject({
      values: { gpus: 7 },
    });
  });
});

describe('driver and CUDA', () => {
  it.each<[string | null, string | null, string | null, string, RegExp]>([
    ['580.159.04', '13.0', 'Hopper', 'pass', /CUDA 12 and 13/],
    ['590.44', null, null, 'pass', /CUDA 12 and 13/],
    ['570.124.06', '12.8', 'Ampere', 'warn', /CUDA 13 need driver 580/],
    ['525.60.13', '12.0', 'Ampere', 'warn', /CUDA 13 need driver 580/],
    ['470.256.02', '11.4', 'Ampere', 'fail', /CUDA 12 needs driver 525/],
    ['580.10', '13.0', 'Volta', 'warn', /Turing .* and this GPU is Volta/],
    [null, '13.0', 'Hopper', 'skip', /does not say/],
    ['unknown', null, null, 'skip', /does not say/],
  ])('driver %s, CUDA %s on %s: %s', (driver, cuda, architecture, status, reason) => {
    expect(decideDriver(driver, cuda, [architecture])).toMatchObject({ status, reason: expect.stringMatching(reason) });
  });

  it('are known from NVML alone', async () => {
    const told: FactsReading = { state: 'none', reason: 'nvidia-smi is not on the PATH' };
    expect(await run(gpuDriver, await h200s(1), told)).toMatchObject({
      status: 'pass',
      measured: 'driver 580.159.04',
      values: { driver: '580.159.04', cuda: null },
    });
  });
});

describe('CUDA libraries', () => {
  it.each<[string[], string, string | undefined]>([
    [['libcudart.so.13', 'libcublas.so.13', 'libcudart.so.12'], 'pass', 'CUDA 13'],
    [['libcudart.so.12', 'libcublas.so.12'], 'pass', 'CUDA 12'],
    [['libcudart.so.13', 'libcublas.so.12'], 'warn', 'not found'],
    [[], 'warn', 'not found'],
  ])('%j: %s', (present, status, measured) => {
    expect(decideLibraries((name) => present.includes(name))).toMatchObject({ status, measured });
  });

  it('are found in LD_LIBRARY_PATH', async () => {
    await tree.write({ 'cuda/libcudart.so.13': '', 'cuda/libcublas.so.13': '' });
    const env = { LD_LIBRARY_PATH: `/nowhere:${tree.path('cuda')}` };
    expect(await run(gpuLibraries, await h200s(1), facts({}), { env })).toMatchObject({ status: 'pass' });
  });
});

describe('persistence mode', () => {
  it.each<[(boolean | null)[], string, string | null]>([
    [[true, true], 'pass', 'on'],
    [[true, false, false], 'warn', 'off (GPU 1, 2)'],
    [[null], 'skip', null],
  ])('%j: %s', async (modes, status, measured) => {
    const told = facts(...modes.map((persistence) => ({ persistence })));
    expect(await run(gpuPersistence, await h200s(modes.length), told)).toMatchObject({ status, measured });
  });
});

describe('ECC', () => {
  it.each<[boolean | null, boolean | null, string, string]>([
    [true, true, 'pass', 'on'],
    [false, false, 'warn', 'off (GPU 0)'],
    [false, true, 'warn', 'changes with the next restart (GPU 0)'],
    [null, null, 'skip', 'none'],
  ])('%s, after a restart %s: %s', async (ecc, eccPending, status, measured) => {
    expect(await run(gpuEcc, await h200s(1), facts({ ecc, eccPending }))).toMatchObject({ status, measured });
  });

  it.each<[string, Partial<GpuSample>]>([
    ['errors that were not corrected', { eccUncorrected: 1 }],
    ['a row that could not be replaced', { remapFailed: true }],
  ])('fails with %s, whatever nvidia-smi says', async (_, change) => {
    const told: FactsReading = { state: 'failed', reason: 'nvidia-smi did not answer' };
    expect(await run(gpuEcc, await h200s(1, change), told)).toMatchObject({ status: 'fail' });
  });
});

describe('memory bandwidth', () => {
  const host = (gigabytes: number) => ({ bytesPerSecond: gigabytes * 1e9, threads: 16 });

  it.each<[string, number, number]>([
    // Data sheets: H100 SXM 3.35 TB/s, PCIe 2.0; A100 80 GB SXM 2.039, PCIe 1.935; 40 GB 1.555.
    ['NVIDIA H100 80GB HBM3', 2619, 3352],
    ['NVIDIA H100 PCIe', 1593, 2039],
    ['NVIDIA A100-SXM4-80GB', 1593, 2039],
    ['NVIDIA A100 80GB PCIe', 1512, 1935],
    ['NVIDIA A100-SXM4-40GB', 1215, 1555],
  ])('of %s at %i MHz is %i GB/s', (name, megahertz, gigabytes) => {
    const devices = [{ ...device, name, memoryClockMax: megahertz * 1e6 }];
    expect(Math.round(gpuBandwidth(name, devices)! / 1e9)).toBe(gigabytes);
  });

  it('of others is in the table, or not known', () => {
    expect(gpuBandwidth('NVIDIA H200', [device])).toBe(4.8e12);
    expect(gpuBandwidth('NVIDIA GeForce RTX 3060', [])).toBe(360e9);
    expect(gpuBandwidth('NVIDIA Quadro P400', [])).toBeUndefined();
  });

  it('is compared with a GPU', () => {
    const gpu = { name: 'RTX 3060', bandwidth: 360e9 };
    expect(decideBandwidth(host(288), gpu, undefined)).toMatchObject({ status: 'pass' });
    expect(decideBandwidth(host(287), gpu, undefined)).toMatchObject({
      status: 'warn',
      measured: '287 GB/s, copied by 16 threads',
      reason: expect.stringMatching(/^80 % of the 360 GB\/s of RTX 3060; 80 % are wanted/),
    });
    expect(decideBandwidth(host(287), { name: 'X', bandwidth: undefined }, undefined)).toMatchObject({
      status: 'skip',
    });
  });

  it('bounds what processors alone can answer', async () => {
    // 46.6 GB/s through 4.66 GB of weights
    const seven = await subject({ model: '7b' });
    expect(decideBandwidth(host(46.6), undefined, seven).reason).toContain('about 10 tokens/s at best');
    const r1 = await subject({ model: 'deepseek-r1' });
    expect(decideBandwidth(host(46.6), undefined, r1).reason).toBe('There is no GPU to compare it with.');
  });
});
