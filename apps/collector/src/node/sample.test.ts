import type { HostUp, Machine, NetworkInterface, RdmaPort, Volume } from '@vigil/host';
import { describe, expect, it } from 'vitest';
import { emptySample, toNodeSample, type NodeSample } from './sample.js';

const eth = (name: string, receiveBytes: number | null, more: Partial<NetworkInterface> = {}): NetworkInterface => ({
  name,
  mtu: 9000,
  up: true,
  speed: 100e9,
  receiveBytes,
  transmitBytes: 500,
  receiveErrors: 3,
  transmitErrors: 4,
  ...more,
});
const port = (receiveBytes: number, more: Partial<RdmaPort> = {}): RdmaPort => ({
  device: 'mlx5_0',
  port: '1',
  state: 'active',
  linkLayer: 'infiniband',
  rate: 400e9,
  receiveBytes,
  transmitBytes: 10,
  errors: 0,
  ...more,
});
const volume = (readBytes: number, more: Partial<Volume> = {}): Volume => ({
  path: '/models/r1',
  mountPoint: '/models',
  fileSystem: 'xfs',
  source: '/dev/nvme0n1',
  network: false,
  device: 'nvme0n1',
  disks: ['nvme0n1'],
  rotational: false,
  total: 1000,
  used: 300,
  available: 600,
  ratio: 1 / 3,
  counters: { at: 101, readBytes, writtenBytes: 70 },
  ...more,
});
const up = (machine: Partial<Machine> = {}, on: Volume | null = null): HostUp => ({
  state: 'up',
  machine: {
    at: 100,
    uptime: 5000,
    kernel: '6.18',
    cpu: { count: 8, limit: null, busySeconds: 50, idleSeconds: 150, load1: 1.5 },
    memory: {
      total: 1000,
      available: 250,
      machineTotal: 2000,
      machineAvailable: 1200,
      limit: 1000,
      swapTotal: 100,
      swapUsed: 40,
    },
    congestionControl: { current: 'bbr', available: ['bbr', 'cubic'] },
    interfaces: [],
    rdma: [],
    ...machine,
  },
  volume: on,
  problem: null,
});
const context = {
  time: new Date(7),
  node: 'node-a',
  gpus: { state: 'up', count: 2, readAt: new Date(5) },
} as const;
const sample = (before: HostUp | undefined, now: HostUp): NodeSample => toNodeSample(before, now, context);

describe('toNodeSample', () => {
  it('takes over what a reading says and reckons rates since the one before', () => {
    const before = up({ interfaces: [eth('eth0', 1000)], rdma: [port(40)] }, volume(512));
    const cpu = { count: 8, limit: null, busySeconds: 80, idleSeconds: 160, load1: 2 };
    const now = up(
      {
        at: 110,
        cpu,
        interfaces: [eth('eth0', 3000, { transmitErrors: 9 })],
        rdma: [port(80, { errors: 5 })],
      },
      volume(1536, { counters: { at: 105, readBytes: 1536, writtenBytes: 70 } }),
    );
    expect(sample(before, now)).toEqual({
      time: new Date(7),
      node: 'node-a',
      replay: false,
      uptime: 5000,
      cpuCount: 8,
      cpuRatio: 0.75,
      load1: 2,
      memoryTotal: 1000,
      memoryAvailable: 250,
      memoryRatio: 0.75,
      swapUsed: 40,
      volumePath: '/models',
      volumeTotal: 1000,
      volumeUsed: 300,
      volumeRatio: 1 / 3,
      // 1024 bytes in the 4 s between the readings of the disk, not the 10 s between those of the machine.
      diskRead: 256,
      diskWrite: 0,
      networkReceive: 200,
      networkTransmit: 0,
      networkErrors: 0.5,
      congestionControl: 'bbr',
      interfaces: [{ name: 'eth0', mtu: 9000, up: true, speed: 100e9, receive: 200, transmit: 0, errors: 0.5 }],
      rdma: [{ device: 'mlx5_0', port: '1', state: 'active', rate: 400e9, receive: 4, transmit: 0, errors: 0.5 }],
      gpuState: 'up',
      gpuCount: 2,
      gpuReadAt: new Date(5),
    });
  });

  it('has no rates at first', () => {
    expect(sample(undefined, up({ interfaces: [eth('eth0', 1)], rdma: [port(1)] }, volume(1)))).toMatchObject({
      cpuRatio: null,
      diskRead: null,
      diskWrite: null,
      networkReceive: null,
      networkErrors: null,
      interfaces: [{ receive: null, transmit: null, errors: null }],
      rdma: [{ receive: null, transmit: null, errors: null }],
      memoryRatio: 0.75,
      volumeUsed: 300,
    });
  });

  it('sums interfaces; one that is new waits for its second reading', () => {
    const before = up({ interfaces: [eth('eth0', 0), eth('eth1', 0)] });
    const now = up({ at: 110, interfaces: [eth('eth0', 10), eth('eth1', 20), eth('eth2', 9999)] });
    expect(sample(before, now)).toMatchObject({ networkReceive: 3, networkTransmit: 0 });
  });

  it('says null, not too little, when an interface counts from the start again', () => {
    const before = up({ interfaces: [eth('eth0', 100), eth('eth1', 100)] });
    const now = up({ at: 110, interfaces: [eth('eth0', 200), eth('eth1', 0)] });
    expect(sample(before, now)).toMatchObject({
      networkReceive: null,
      networkTransmit: 0,
      interfaces: [{ receive: 10 }, { receive: null, transmit: 0 }],
    });
  });

  it('tells RDMA ports apart', () => {
    const two = port(0, { port: '2' });
    const before = up({ rdma: [port(0), two] });
    expect(sample(before, up({ at: 110, rdma: [port(100), two] })).rdma.map((p) => p.receive)).toEqual([10, 0]);
  });

  it('makes up no throughput between two devices', () => {
    expect(sample(up({}, volume(10)), up({ at: 110 }, volume(9999, { device: 'sdb' })))).toMatchObject({
      volumeTotal: 1000,
      diskRead: null,
      diskWrite: null,
    });
  });

  it('gives space without throughput on a network file system', () => {
    const remote = volume(0, { network: true, device: null, counters: null });
    expect(sample(up({}, remote), up({ at: 110 }, remote))).toMatchObject({ volumeRatio: 1 / 3, diskRead: null });
  });

  it('is null throughout where the kernel tells nothing', () => {
    const nothing = up({ uptime: null, kernel: null, cpu: null, memory: null, congestionControl: null });
    expect(sample(nothing, nothing)).toEqual(emptySample(context));
  });
});
