import type { Logger } from '@vigil/service';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GpuMetrics } from './gpu-metrics.js';
import { NvidiaSmiSource } from '@vigil/gpu';
import { GpuPoller, nextBeat, type GpuSink } from './poller.js';
import { FakeNvidiaSmi, runs } from '@vigil/gpu/testing';
import type { GpuReading, GpuSource } from '@vigil/gpu';

const PATIENCE = { timeout: 20_000, interval: 20 };

describe('nextBeat', () => {
  const delays = (states: GpuReading['state'][], interval: number): number[] => {
    let failures = 0;
    return states.map((state) => {
      const beat = nextBeat(failures, state, interval);
      failures = beat.failures;
      return beat.delaySeconds;
    });
  };

  it('doubles from the interval up to a minute', () => {
    expect(delays(Array(8).fill('failed'), 15)).toEqual([15, 30, 60, 60, 60, 60, 60, 60]);
  });
  it('is reset by a good reading', () => {
    expect(delays(['failed', 'failed', 'up', 'failed'], 15)).toEqual([15, 30, 15, 15]);
  });
  it('asks every five minutes where there is no GPU', () => {
    expect(delays(['none', 'none', 'up'], 0.5)).toEqual([300, 300, 0.5]);
  });
  it('never asks more often than the interval', () => {
    expect(delays(['failed', 'failed', 'none', 'up'], 900)).toEqual([900, 900, 900, 900]);
  });
  it('stays a number of seconds after years of failures', () => {
    expect(nextBeat(1e9, 'failed', 15)).toEqual({ failures: 1e9 + 1, delaySeconds: 60 });
  });
});

/** Keeps the lines that a poller writes. */
function recordingLog(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (fields: Record<string, unknown>, text: string): void => {
      lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
    };
  return { log: { info: at('info'), warn: at('warn'), error: at('error') } as unknown as Logger, lines };
}

/** Plays a list of readings, then its last one for ever. */
class ListSource implements GpuSource {
  readonly name = 'list';
  asked = 0;
  reading = 0;
  most = 0;
  closed = 0;
  constructor(private readonly list: readonly (GpuReading | Error)[]) {}

  async read(): Promise<GpuReading> {
    const next = this.list[Math.min(this.asked++, this.list.length - 1)]!;
    this.most = Math.max(this.most, ++this.reading);
    await new Promise((done) => setTimeout(done, 2));
    this.reading--;
    if (next instanceof Error) throw next;
    return next;
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

const good: GpuReading = { state: 'up', source: 'list', samples: [], notes: [], events: [] };
const bad: GpuReading = { state: 'failed', source: 'list', kind: 'timeout', reason: 'no answer' };
const worse: GpuReading = { state: 'failed', source: 'list', kind: 'driver', reason: 'no driver' };

describe('GpuPoller', () => {
  const poll = async (source: ListSource, readings: number, sink: GpuSink = () => undefined): Promise<string[]> => {
    const { log, lines } = recordingLog();
    const poller = new GpuPoller({ source, intervalSeconds: 0.001, sink, log });
    poller.start();
    poller.start();
    await vi.waitFor(() => expect(source.asked).toBeGreaterThanOrEqual(readings), PATIENCE);
    await poller.close();
    return lines;
  };

  it('hands each reading on, one in flight, and closes its source once', async () => {
    const source = new ListSource([good, bad, good]);
    const got: string[] = [];
    await poll(source, 5, (reading, now, durationSeconds) => {
      expect(now).toBeInstanceOf(Date);
      expect(durationSeconds).toBeGreaterThan(0);
      got.push(reading.state);
    });
    expect(got.slice(0, 4)).toEqual(['up', 'failed', 'up', 'up']);
    expect(source.most).toBe(1);
    expect(source.closed).toBe(1);
  });

  it('hands nothing on after it was closed', async () => {
    const source = new ListSource([good]);
    let got = 0;
    await poll(source, 3, () => void got++);
    const asked = source.asked;
    const before = got;
    await new Promise((done) => setTimeout(done, 30));
    expect([source.asked, got]).toEqual([asked, before]);
  });

  it('says a state once, and each change of it', async () => {
    const lines = await poll(new ListSource([good, good, bad, bad, worse, good]), 7);
    expect(lines.map((line) => line.replace(/ \{.*/, ''))).toEqual([
      'info GPUs are read',
      'warn reading the GPUs failed',
      'warn reading the GPUs failed',
      'info GPUs are read',
    ]);
    expect(lines[1]).toContain('no answer');
    expect(lines[2]).toContain('no driver');
  });

  it('takes a source that throws for a failed reading', async () => {
    const got: GpuReading[] = [];
    await poll(new ListSource([new Error('broken'), good]), 3, (reading) => void got.push(reading));
    expect(got[0]).toEqual({ state: 'failed', source: 'list', kind: 'error', reason: 'broken' });
    expect(got[1]).toEqual(good);
  });

  it.each([
    ['throws', () => { throw new Error('no store'); }], // prettier-ignore
    ['rejects', async () => { throw new Error('no store'); }], // prettier-ignore
  ] satisfies [string, GpuSink][])('goes on when the sink %s', async (_, sink) => {
    const lines = await poll(new ListSource([good]), 3, sink);
    expect(lines.filter((line) => line.startsWith('error')).join()).toContain('no store');
  });
});

describe('poller, nvidia-smi and metrics together', () => {
  let fake: FakeNvidiaSmi;
  let poller: GpuPoller;
  let registry: Registry;

  beforeEach(async () => {
    fake = await FakeNvidiaSmi.make();
    registry = new Registry();
    const metrics = new GpuMetrics(registry, 'node-a');
    poller = new GpuPoller({
      source: new NvidiaSmiSource({ timeoutSeconds: 20, env: fake.env() }),
      intervalSeconds: 0.05,
      sink: (reading, _now, durationSeconds) => metrics.record(reading, durationSeconds),
      log: recordingLog().log,
    });
  });

  afterEach(async () => {
    await poller.close();
    await fake.remove();
  });

  const until = (pattern: RegExp): Promise<void> =>
    vi.waitFor(async () => expect(await registry.metrics()).toMatch(pattern), PATIENCE);

  it('a driver that fails ends the series, and one that is back brings them again', async () => {
    poller.start();
    await until(/hw_gpu_memory_utilization_ratio\{node="node-a",gpu="0",replay="false"\} 0\.67/);
    await fake.does('exit 9');
    await until(/vigil_gpu_up\{node="node-a",source="nvidia-smi"\} 0/);
    const failed = await registry.metrics();
    expect(failed).not.toMatch(/hw_[a-z_]+\{[^}]*gpu="0"/);
    expect(failed).toMatch(/vigil_gpu_read_failures_total\{node="node-a",source="nvidia-smi",reason="driver"\} [1-9]/);
    await fake.does('cat load.xml');
    await until(/vigil_gpu_up\{node="node-a",source="nvidia-smi"\} 1/);
    await until(/hw_gpu_memory_utilization_ratio\{/);
  });

  it('closes while nvidia-smi hangs, and leaves no process', async () => {
    await fake.hangs();
    poller.start();
    const pids = await vi.waitFor(async () => {
      const found = await fake.pids();
      if (found === undefined) throw new Error('the fake nvidia-smi did not start');
      return found;
    }, PATIENCE);
    await poller.close();
    for (const pid of pids) await vi.waitFor(async () => expect(await runs(pid)).toBe(false), PATIENCE);
    expect(await registry.metrics()).not.toMatch(/vigil_gpu_up\{/);
  });
});
