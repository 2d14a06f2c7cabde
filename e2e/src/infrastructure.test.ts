import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunState } from '@vigil/launch';
import { until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Launcher } from './launcher.js';

/** Eight replayed GPUs, of which one reports XID 79 and vanishes. */
const SCRIPT = {
  gpus: 8,
  steps: [
    { recording: 'h200-load', seconds: 5 },
    { recording: 'h200-load', seconds: 2, xids: [{ gpu: 3, code: 79 }] },
    { recording: 'h200-load', seconds: 3600, missing: [3] },
  ],
};

let folder: string;
let launcher: Launcher;
let state: RunState;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-e2e-gpu-'));
  const script = join(folder, 'replay.json');
  await writeFile(script, JSON.stringify(SCRIPT));
  launcher = await Launcher.run({
    GPU_SOURCE: 'replay',
    REPLAY_SCRIPT: script,
    GPU_INTERVAL: '500ms',
    NODE_INTERVAL: '1s',
    NODE_NAME: 'node-1',
    EVALUATION_INTERVAL: '500ms',
    RULES_ENABLE: 'infrastructure',
    METRICS_COMPAT: 'dcgm',
  });
  state = await launcher.ready();
}, 120_000);
afterAll(async () => {
  await launcher.remove();
  await rm(folder, { recursive: true, force: true });
});

const get = async (path: string): Promise<{ items: Record<string, any>[] }> =>
  (await (await fetch(`${state.addresses.api}/api/v1/${path}`)).json()) as { items: Record<string, any>[] };
const metrics = async (): Promise<string[]> =>
  (await (await fetch(`${state.addresses.metrics}/metrics`)).text()).split('\n');

describe('a GPU that falls off the bus', () => {
  it('is an event with its meaning, an alert, and no series any more', async () => {
    const events = await until('its events', async () => {
      const { items } = await get('gpu-events?gpu=3');
      return items.length >= 2 && items;
    });
    expect(events.map(({ kind, code, class: severity }) => [kind, code, severity])).toEqual(
      expect.arrayContaining([
        ['xid', 79, 'critical'],
        ['lost', null, 'critical'],
      ]),
    );
    expect(events.find(({ code }) => code === 79)!.meaning).toContain('fell off the bus');
    const fired = await until('the alert', async () => (await get('alerts?state=firing&rule=GpuXidCritical')).items[0]);
    expect(fired).toMatchObject({ labels: { node: 'node-1', gpu: '3', code: '79', replay: 'true' } });
    const series = (await metrics()).filter((line) => line.startsWith('hw_gpu_memory_usage_bytes{'));
    expect(series).toHaveLength(7);
    expect(series.some((line) => line.includes('gpu="3"'))).toBe(false);
    const up = (await metrics()).find((line) => line.startsWith('vigil_gpu_device_up{') && line.includes('gpu="3"'));
    expect(up).toMatch(/ 0$/);
  });

  it("is missing from the node's count, and the rules that wait for it are on", async () => {
    const pending = await until('the count to fall', async () => {
      const { items } = await get('alerts?rule=GpuCountFell');
      return items.find(({ value }) => value === 1);
    });
    expect(pending.labels).toMatchObject({ node: 'node-1' });
    const { items } = await get('rules');
    expect(items.filter(({ enabled }) => enabled).length).toBe(16);
  });
});

describe('the node', () => {
  it('is told of, at /metrics and in PostgreSQL', async () => {
    const point = await until('a value', async () => {
      const answer = await fetch(`${state.addresses.api}/api/v1/series?signal=node.memory.ratio&by=node&from=now-5m`);
      const { series } = (await answer.json()) as { series: { labels: object; points: number[][] }[] };
      return series.find(({ points }) => points.length > 0);
    });
    expect(point.labels).toEqual({ node: 'node-1' });
    const lines = await metrics();
    for (const name of ['system_memory_utilization_ratio', 'system_filesystem_limit_bytes', 'vigil_node_info'])
      expect(lines.some((line) => line.startsWith(`${name}{`) && line.includes('node="node-1"'))).toBe(true);
    expect(lines.filter((line) => line.startsWith('DCGM_FI_DEV_FB_USED{'))).toHaveLength(7);
  });
});
