import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  gpuConfig,
  NvidiaSmiSource,
  readSmiXml,
  xidEvent,
  type GpuEvent,
  type GpuReading,
  type GpuSample,
  type GpuSource,
} from '@vigil/gpu';
import { FakeNvidiaSmi, recording, withGpus } from '@vigil/gpu/testing';
import { createLogger, readConfig, type Logger } from '@vigil/service';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { GpuMetrics } from './gpu-metrics.js';
import { GpuWatch, kernelLogOf, startGpuWatch, type GpuWatchOptions } from './gpu-watch.js';

const PATIENCE = { timeout: 20_000, interval: 20 };
const log = createLogger('test', 'silent');
const schema = z.object(gpuConfig);
const UUID = (gpu: number): string => `GPU-0000000${gpu}-1111-2222-3333-444444444444`;
const xidLine = (address: string, code: number): string => `4,1,1000,-;NVRM: Xid (PCI:${address}): ${code}, pid=1\n`;

let folder: string;
let registry: Registry;
let events: GpuEvent[];
let samples: GpuSample[];
let closing: (() => Promise<void>)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-watch-'));
  registry = new Registry();
  [events, samples, closing] = [[], [], []];
});
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
  await rm(folder, { recursive: true, force: true });
});

const sinks = {
  onSamples: (of: GpuSample[]) => void samples.push(...of),
  onEvents: (of: GpuEvent[]) => void events.push(...of),
};
/** The events so far, in short. */
const told = (): string[] => events.map((e) => `${e.source} ${e.kind} ${e.code ?? ''} ${e.gpu}`);
const until = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, PATIENCE);
const metric = async (pattern: RegExp): Promise<void> =>
  until(async () => expect(await registry.metrics()).toMatch(pattern));

/** A kernel log that the test writes to. */
function kernelLog(): { path: string; write: (text: string) => void } {
  const path = join(folder, 'kmsg');
  execFileSync('mkfifo', [path]);
  const writer = openSync(path, 'r+');
  closing.push(async () => closeSync(writer));
  return { path, write: (text) => void writeSync(writer, text) };
}

function watch(options: Partial<GpuWatchOptions> & { source: GpuSource }): GpuWatch {
  const metrics = new GpuMetrics(registry, 'node-a');
  const made = new GpuWatch({ metrics, intervalSeconds: 0.05, log, ...sinks, ...options });
  closing.push(() => made.close());
  made.start();
  return made;
}

/** A source that gives whatever the test puts there: a GPU that cannot be had. */
class GivenSource implements GpuSource {
  readonly name = 'nvml';
  reads = 0;
  constructor(public reading: GpuReading) {}
  async read(): Promise<GpuReading> {
    this.reads++;
    const { reading } = this;
    // Events are told once.
    if (reading.state === 'up') this.reading = { ...reading, events: [] };
    return reading;
  }
  async close(): Promise<void> {
    // Nothing was opened.
  }
}
const up = (of: GpuSample[], more: GpuEvent[] = []): GpuReading => ({
  state: 'up',
  source: 'nvml',
  samples: of,
  notes: [],
  events: more,
});

async function eight(): Promise<GpuSample[]> {
  const xml = withGpus(await recording('h200-load'), 8);
  const result = readSmiXml(xml, { time: new Date(), source: 'nvml', replay: false });
  if (!result.ok) throw new Error(result.reason);
  return result.samples;
}

describe('GpuWatch', () => {
  it('ends the series of a GPU that vanished within one interval, and keeps the event', async () => {
    const fake = await FakeNvidiaSmi.make();
    closing.push(() => fake.remove());
    const xml = await recording('h200-load');
    await writeFile(fake.path('two.xml'), withGpus(xml, 2));
    await writeFile(fake.path('one.xml'), withGpus(xml, 1));
    await fake.does('cat two.xml');
    watch({ source: new NvidiaSmiSource({ timeoutSeconds: 20, env: fake.env() }) });
    await metric(/vigil_gpu_count\{node="node-a"\} 2/);
    await fake.does('cat one.xml');
    await metric(/vigil_gpu_count\{node="node-a"\} 1/);
    const lost = await registry.metrics();
    expect(lost).not.toMatch(/hw_[a-z_]+\{[^}]*gpu="1"/);
    expect(lost).toMatch(/vigil_gpu_device_up\{node="node-a",gpu="1",replay="false"\} 0/);
    await until(() => expect(told()).toEqual(['nvidia-smi lost  1']));
    expect(events[0]).toMatchObject({ uuid: UUID(1), class: 'critical', replay: false });
    await fake.does('cat two.xml');
    await until(() => expect(told()).toEqual(['nvidia-smi lost  1', 'nvidia-smi returned  1']));
    const back = await registry.metrics();
    expect(back).toMatch(/events_total\{node="node-a",gpu="1",replay="false",kind="lost",class="critical",code=""\} 1/);
    expect(back).toMatch(/vigil_gpu_device_up\{node="node-a",gpu="1",replay="false"\} 1/);
  });

  it('keeps the event of a last GPU that vanished', async () => {
    const fake = await FakeNvidiaSmi.make();
    closing.push(() => fake.remove());
    watch({ source: new NvidiaSmiSource({ timeoutSeconds: 20, env: fake.env() }) });
    await metric(/vigil_gpu_count\{node="node-a"\} 1/);
    await fake.does("echo 'No devices were found'; exit 6");
    await until(() => expect(told()).toEqual(['nvidia-smi lost  0']));
    const lost = await registry.metrics();
    expect(lost).toMatch(/vigil_gpu_up\{node="node-a",source="nvidia-smi"\} 0/);
    expect(lost).toMatch(/vigil_gpu_count\{node="node-a"\} 0/);
  });

  it("tells the kernel's XIDs with the GPU that they are of", async () => {
    const kernel = kernelLog();
    const source = new GivenSource(up(await eight()));
    const pciGpus = async () => new Map([['0000:3b:00', UUID(3)]]);
    watch({ source, kernelLog: kernel.path, pciGpus });
    await until(() => expect(source.reads).toBeGreaterThan(1));
    kernel.write(xidLine('0000:3b:00', 79) + xidLine('0000:3b:00 GPU-I:05', 94) + xidLine('0000:ff:00', 31));
    await until(() => expect(told()).toHaveLength(3));
    expect(told().toSorted()).toEqual(['kmsg xid 31 null', 'kmsg xid 79 3', 'kmsg xid 94 3/5']);
    expect(events.find((e) => e.code === 79)).toEqual({
      time: expect.any(Date),
      gpu: '3',
      uuid: UUID(3),
      replay: false,
      kind: 'xid',
      code: 79,
      class: 'critical',
      meaning: expect.stringMatching(/bus/),
      source: 'kmsg',
      message: 'NVRM: Xid (PCI:0000:3b:00): 79, pid=1',
    });
    await metric(/events_total\{node="node-a",gpu="3",replay="false",kind="xid",class="critical",code="79"\} 1/);
  });

  it('knows a GPU by what the driver said in the log', async () => {
    const kernel = kernelLog();
    kernel.write(`6,1,1,-;NVRM: GPU at PCI:0000:5e:00: ${UUID(6)}\n`);
    const source = new GivenSource(up(await eight()));
    watch({ source, kernelLog: kernel.path, pciGpus: async () => new Map() });
    await until(() => expect(source.reads).toBeGreaterThan(1));
    kernel.write(xidLine('0000:5e:00', 48));
    await until(() => expect(told()).toEqual(['kmsg xid 48 6']));
  });

  it('tells an XID without its GPU where the driver does not answer', async () => {
    const kernel = kernelLog();
    const source = new GivenSource(up(await eight()));
    watch({ source, kernelLog: kernel.path, pciGpus: () => new Promise(() => undefined) });
    kernel.write(xidLine('0000:3b:00', 79));
    kernel.write(xidLine('0000:3b:00', 119));
    await until(() => expect(told().toSorted()).toEqual(['kmsg xid 119 null', 'kmsg xid 79 null']));
  });

  it('tells one XID once that NVML and the kernel tell, and two as two', async () => {
    const kernel = kernelLog();
    const all = await eight();
    const nvml = () => xidEvent(79, { time: new Date(), gpu: '3', uuid: UUID(3), replay: false, source: 'nvml' });
    const source = new GivenSource(up(all));
    watch({ source, kernelLog: kernel.path, pciGpus: async () => new Map([['0000:3b:00', UUID(3)]]) });
    await until(() => expect(source.reads).toBeGreaterThan(1));
    kernel.write(xidLine('0000:3b:00', 79));
    await until(() => expect(told()).toEqual(['kmsg xid 79 3']));
    source.reading = up(all, [nvml()]);
    const before = source.reads;
    await until(() => expect(source.reads).toBeGreaterThan(before + 2));
    expect(told()).toEqual(['kmsg xid 79 3']);
    source.reading = up(all, [nvml()]);
    await until(() => expect(told()).toEqual(['kmsg xid 79 3', 'nvml xid 79 3']));
  });

  it.each([
    ['throw', () => { throw new Error('no store'); }], // prettier-ignore
    ['reject', async () => { throw new Error('no store'); }], // prettier-ignore
  ] satisfies [string, () => void | Promise<void>][])('goes on where sinks %s', async (_, fail) => {
    const lines: string[] = [];
    const at = (_fields: object, text: string): void => void lines.push(text);
    const recorder = { info: at, warn: at, error: at } as unknown as Logger;
    const all = await eight();
    const source = new GivenSource(up(all));
    watch({ source, log: recorder, onSamples: fail, onEvents: fail });
    await until(() => expect(source.reads).toBeGreaterThan(1));
    source.reading = up(all.slice(1));
    await until(() => expect(lines).toContain('GPU events could not be handed on'));
    expect(lines).toContain('GPU samples could not be handed on');
    const before = source.reads;
    await until(() => expect(source.reads).toBeGreaterThan(before + 2));
    await metric(/vigil_gpu_count\{node="node-a"\} 7/);
  });

  it('hands nothing on after it was closed', async () => {
    const kernel = kernelLog();
    const source = new GivenSource(up(await eight()));
    const made = watch({ source, kernelLog: kernel.path, pciGpus: async () => new Map() });
    await until(() => expect(source.reads).toBeGreaterThan(1));
    await made.close();
    const before = [source.reads, samples.length];
    kernel.write(xidLine('0000:3b:00', 79));
    await new Promise((done) => setTimeout(done, 100));
    expect([source.reads, samples.length]).toEqual(before);
    expect(events).toEqual([]);
  });
});

describe('startGpuWatch', () => {
  const start = async (env: Record<string, string>) => {
    const config = readConfig(schema, env);
    const started = await startGpuWatch({ config, node: 'node-a', registry, log, ...sinks });
    closing.push(() => started.close());
  };

  it('plays a script in which a GPU of eight vanishes with an XID', async () => {
    const script = join(folder, 'script.json');
    const steps = [
      { recording: 'h200-load', seconds: 1 },
      { recording: 'h200-load', seconds: 3600, missing: [3], xids: [{ code: 79, gpu: 3 }] },
    ];
    await writeFile(script, JSON.stringify({ gpus: 8, steps }));
    await start({ GPU_SOURCE: 'replay', GPU_INTERVAL: '500ms', REPLAY_SCRIPT: script });
    await until(() => expect(told().toSorted()).toEqual(['replay lost  3', 'replay xid 79 3']));
    expect(events.every((e) => e.replay)).toBe(true);
    expect(new Set(samples.map((s) => s.uuid)).size).toBe(8);
    await metric(/vigil_gpu_count\{node="node-a"\} 7/);
    await metric(/vigil_gpu_device_up\{node="node-a",gpu="3",replay="true"\} 0/);
  });

  it("publishes a dcgm-exporter's names where they are wanted", async () => {
    await start({ GPU_SOURCE: 'replay', METRICS_COMPAT: 'dcgm' });
    await metric(/DCGM_FI_DEV_GPU_TEMP\{.*Hostname="node-a"/);
  });

  it.each([
    [{}, '/dev/kmsg'],
    [{ GPU_SOURCE: 'dcgm', KERNEL_LOG: '/host/kmsg' }, '/host/kmsg'],
    [{ KERNEL_LOG: 'none' }, undefined],
    [{ GPU_SOURCE: 'replay' }, undefined],
    [{ GPU_SOURCE: 'none' }, undefined],
  ])('follows with %j the log %s', (env, path) => {
    expect(kernelLogOf(readConfig(schema, env))).toBe(path);
  });
});
