import { readConfig, createLogger, Health, Lifecycle, UserError, createWeb, listen } from '@vigil/service';
import { HostTree, interfaceTree, rdmaTree, virtualMachine, type Tree } from '@vigil/host/testing';
import { until } from '@vigil/testing';
import { Module } from '@nestjs/common';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seriesOf } from '../testing.js';
import { nodeConfig, startNode, type NodeSample } from './index.js';
import type { NodeSink } from './poller.js';

const schema = z.object({ ...nodeConfig, DATA_DIR: z.string().default('.') });
const GPUS = { state: 'none', count: 0, readAt: null } as const;

describe('nodeConfig', () => {
  it.each([
    ['0s', 0],
    ['1s', 1],
    ['', 15],
    ['1m', 60],
  ])('NODE_INTERVAL=%s', (text, seconds) => {
    expect(readConfig(schema, { NODE_INTERVAL: text }).NODE_INTERVAL).toBe(seconds);
  });

  it.each(['500ms', '-1s', 'often'])('NODE_INTERVAL=%s stops the start', (text) => {
    expect(() => readConfig(schema, { NODE_INTERVAL: text })).toThrow(UserError);
  });
});

describe('startNode', () => {
  let lifecycle: Lifecycle;
  let registry: Registry;
  let samples: NodeSample[];
  let lines: string[];
  let tree: HostTree | undefined;
  const log = createLogger('test', 'silent');

  beforeEach(() => {
    lifecycle = new Lifecycle(log);
    registry = new Registry();
    samples = [];
    lines = [];
  });
  afterEach(async () => {
    await lifecycle.stop();
    await tree?.remove();
    tree = undefined;
  });

  const start = (env: Record<string, string>, sink: NodeSink = (sample) => void samples.push(sample)): void => {
    const spoken = Object.create(log, {
      warn: { value: (fields: object, text: string) => lines.push(`${text} ${JSON.stringify(fields)}`) },
      error: { value: (fields: object, text: string) => lines.push(`${text} ${JSON.stringify(fields)}`) },
      info: { value: (fields: object | string, text = '') => lines.push(`${text} ${JSON.stringify(fields)}`) },
    }) as typeof log;
    const config = readConfig(schema, { NODE_INTERVAL: '1s', NODE_TIMEOUT: '20s', ...env });
    startNode({ config, node: 'node-a', registry, sink, gpus: () => GPUS, log: spoken, lifecycle });
  };
  /** Reads a tree of files in place of this machine's. */
  const startOn = async (files: Tree, env: Record<string, string> = {}): Promise<HostTree> => {
    tree = await HostTree.make({ ...(await virtualMachine()), ...files });
    start({ HOST_PROC: tree.roots.proc, HOST_SYS: tree.roots.sys, MODEL_VOLUME: tree.folder, ...env });
    return tree;
  };
  const text = (): Promise<string> => registry.metrics();

  it('puts the real machine at /metrics and hands on its samples', async () => {
    @Module({})
    class Nothing {}
    const health = new Health();
    const app = await createWeb({ module: Nothing, health, registry, log, lifecycle });
    const address = await listen(app, '127.0.0.1', 0, 'COLLECTOR_PORT');
    start({});
    await until('two samples', () => samples.length >= 2);

    const last = samples.at(-1)!;
    expect(last).toMatchObject({ node: 'node-a', replay: false, gpuState: 'none', gpuCount: 0 });
    for (const ratio of [last.cpuRatio, last.memoryRatio, last.volumeRatio]) {
      expect(ratio).toBeGreaterThanOrEqual(0);
      expect(ratio).toBeLessThanOrEqual(1);
    }
    expect(last.uptime).toBeGreaterThan(0);
    expect(last.memoryTotal).toBeGreaterThan(last.memoryAvailable!);
    expect(last.volumePath).toMatch(/^\//);

    const metrics = await (await fetch(`${address}/metrics`)).text();
    expect(seriesOf(metrics, 'system_memory_limit_bytes', { node: 'node-a' })).toBe(last.memoryTotal);
    expect(seriesOf(metrics, 'system_filesystem_limit_bytes', { node: 'node-a', volume: 'model' })).toBe(
      last.volumeTotal,
    );
    expect(seriesOf(metrics, 'vigil_node_up', { node: 'node-a' })).toBe(1);
    expect(seriesOf(metrics, 'vigil_node_last_sample_timestamp_seconds', { node: 'node-a' })).toBeGreaterThan(1.7e9);
    expect(seriesOf(metrics, 'vigil_node_info')).toBe(1);
    expect(metrics).not.toMatch(/^(system|hw|vigil)_.* (NaN|-\d.*|[+-]?Inf)$/m);
  });

  it("publishes the kernel's counts as they stand, and nothing for what it does not tell", async () => {
    const eth7 = (received: number) => interfaceTree('eth7', { device: true, counts: [received, 20, 1, 2, 3, 4] });
    const made = await startOn({
      ...eth7(10),
      ...rdmaTree('mlx5_0', '1', { port_rcv_data: '25', port_xmit_data: '50', symbol_error: '6' }),
      'proc/loadavg': '',
    });
    const eth = { node: 'node-a', network_interface_name: 'eth7' };
    const received = { ...eth, network_io_direction: 'receive' };
    await until(
      'the first count',
      async () => seriesOf(await text(), 'system_network_io_bytes_total', received) === 10,
    );
    await made.write(eth7(5_000));
    await until('the next', async () => seriesOf(await text(), 'system_network_io_bytes_total', received) === 5_000);

    const metrics = await text();
    const sent = { ...eth, network_io_direction: 'transmit' };
    expect(seriesOf(metrics, 'system_network_errors_total', received)).toBe(4);
    expect(seriesOf(metrics, 'system_network_errors_total', sent)).toBe(6);
    expect(seriesOf(metrics, 'system_network_io_bytes_total', sent)).toBe(20);
    expect(seriesOf(metrics, 'system_network_mtu_bytes', eth)).toBe(1500);
    const port = { node: 'node-a', device: 'mlx5_0', port: '1' };
    expect(seriesOf(metrics, 'hw_network_rdma_io_bytes_total', { ...port, direction: 'receive' })).toBe(100);
    expect(seriesOf(metrics, 'hw_network_rdma_io_bytes_total', { ...port, direction: 'transmit' })).toBe(200);
    expect(seriesOf(metrics, 'hw_network_rdma_errors_total', port)).toBe(6);
    expect(seriesOf(metrics, 'system_disk_io_bytes_total', { node: 'node-a', direction: 'read' })).toBeGreaterThan(1e9);
    expect(seriesOf(metrics, 'vigil_node_info', { congestion_control: 'bbr', volume_device: 'vda' })).toBe(1);
    expect(metrics).not.toMatch(/^system_cpu_load_1m\{/m);
  });

  it('ends the series of an interface that vanished', async () => {
    const made = await startOn(interfaceTree('eth7', { device: true }));
    await until('eth7', async () => (await text()).includes('network_interface_name="eth7"'));
    await made.write({ 'sys/class/net/eth7': { link: 'nowhere' } });
    await until('no eth7', async () => !(await text()).includes('network_interface_name="eth7"'));
    expect(await text()).toContain('network_interface_name="eth0"');
  });

  it('a volume that hangs costs neither the other series nor the collector, and is said once', async () => {
    await startOn({ 'proc/diskstats': null }, { NODE_TIMEOUT: '3s' });
    await until('three samples', () => samples.length >= 3);
    expect(samples.every((s) => s.volumeTotal === null && s.memoryTotal !== null)).toBe(true);
    expect(await text()).not.toMatch(/^system_(filesystem|disk)\w+\{/m);
    expect(seriesOf(await text(), 'system_memory_limit_bytes')).toBeGreaterThan(0);
    expect(lines.filter((line) => line.includes('does not answer'))).toHaveLength(1);
  });

  it('a reading that fails ends every series, hands nothing on, and is counted', async () => {
    const good = interfaceTree('eth7', { device: true });
    const made = await startOn(good, { NODE_TIMEOUT: '3s' });
    await until('a sample', () => samples.length > 0);
    await made.write({ 'sys/devices/net/eth7/statistics/rx_bytes': null });
    const down = (): Promise<boolean> => text().then((all) => seriesOf(all, 'vigil_node_up') === 0);
    await until('a failure', down);
    const before = samples.length;
    const metrics = await text();
    expect(metrics).not.toMatch(/^(system|hw)_\w+\{/m);
    expect(seriesOf(metrics, 'vigil_node_read_failures_total', { reason: 'timeout' })).toBeGreaterThan(0);
    expect(samples.length).toBe(before);
    await made.write(good);
    await until('it is read again', () => samples.length > before);
  });

  it('says what is missing, once, and goes on', async () => {
    const files = { ...(await virtualMachine()), 'sys/class/net/eth0': { link: 'nowhere' } };
    await startOn(files, { MODEL_VOLUME: '/nowhere/at/all' });
    await until('two samples', () => samples.length >= 2);
    const warned = lines.filter((line) => line.includes('remarks'));
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain('/nowhere/at/all does not exist');
    expect(warned[0]).toContain('HOST_SYS');
  });

  it('a sink that throws or rejects stops nothing', async () => {
    start({}, (sample) => {
      samples.push(sample);
      if (samples.length === 1) throw new Error('thrown');
      return Promise.reject(new Error('rejected'));
    });
    await until('three samples', () => samples.length >= 3);
    expect(lines.join('\n')).toMatch(/thrown[\s\S]*rejected/);
  });

  it('reads nothing where it is switched off', async () => {
    start({ NODE_INTERVAL: '0s' });
    expect(lines).toEqual([expect.stringContaining('NODE_INTERVAL is 0s')]);
    expect(await text()).toBe('\n');
  });

  it('hands nothing on once stopped', async () => {
    await startOn({ 'proc/diskstats': null });
    await lifecycle.stop();
    expect(samples).toEqual([]);
  });
});
