import { cpuRatio, rateOf, sumOfRates, type HostUp, type NetworkInterface, type RdmaPort } from '@vigil/host';
import type { InterfaceRow, NodeSampleRow, RdmaPortRow } from '@vigil/store';
import type { NodeGpus } from './gpus.js';

export type NodeSample = NodeSampleRow;

export interface SampleContext {
  time: Date;
  node: string;
  gpus: NodeGpus;
}

/** A reading as a sample; its rates are those since the reading before. */
export function toNodeSample(before: HostUp | undefined, now: HostUp, context: SampleContext): NodeSample {
  const { machine, volume } = now;
  const { cpu, memory } = machine;
  const interfaces = interfaceSamples(before, now);
  const known = new Set(before?.machine.interfaces.map((i) => i.name));
  const sum = (of: 'receive' | 'transmit' | 'errors'): number | null =>
    sumOfRates(interfaces.map((i) => ({ rate: i[of], isNew: !known.has(i.name) })));
  return {
    ...emptySample(context),
    uptime: machine.uptime,
    cpuCount: cpu?.count ?? null,
    cpuRatio: cpuRatio(before?.machine.cpu, cpu),
    load1: cpu?.load1 ?? null,
    memoryTotal: memory?.total ?? null,
    memoryAvailable: memory?.available ?? null,
    memoryRatio: memory && memory.total > 0 ? clamp(1 - memory.available / memory.total) : null,
    swapUsed: memory?.swapUsed ?? null,
    volumePath: volume ? (volume.mountPoint ?? volume.path) : null,
    volumeTotal: volume?.total ?? null,
    volumeUsed: volume?.used ?? null,
    volumeRatio: volume?.ratio ?? null,
    ...diskRates(before, now),
    networkReceive: sum('receive'),
    networkTransmit: sum('transmit'),
    networkErrors: sum('errors'),
    congestionControl: machine.congestionControl?.current ?? null,
    interfaces,
    rdma: rdmaSamples(before, now),
  };
}

/** What a node says of which nothing can be read: that it is there, and how its GPUs are. */
export function emptySample({ time, node, gpus }: SampleContext): NodeSample {
  return {
    time,
    node,
    replay: false,
    uptime: null,
    cpuCount: null,
    cpuRatio: null,
    load1: null,
    memoryTotal: null,
    memoryAvailable: null,
    memoryRatio: null,
    swapUsed: null,
    volumePath: null,
    volumeTotal: null,
    volumeUsed: null,
    volumeRatio: null,
    diskRead: null,
    diskWrite: null,
    networkReceive: null,
    networkTransmit: null,
    networkErrors: null,
    congestionControl: null,
    interfaces: [],
    rdma: [],
    gpuState: gpus.state,
    gpuCount: gpus.count,
    gpuReadAt: gpus.readAt,
  };
}

const clamp = (ratio: number): number => Math.min(Math.max(ratio, 0), 1);

function diskRates(before: HostUp | undefined, now: HostUp): Pick<NodeSample, 'diskRead' | 'diskWrite'> {
  const counters = now.volume?.counters;
  // Another device counts otherwise: a rate between the two would be made up.
  const earlier = before?.volume?.device === now.volume?.device ? before?.volume?.counters : undefined;
  const rate = (of: 'readBytes' | 'writtenBytes'): number | null =>
    counters
      ? rateOf(earlier ? { at: earlier.at, value: earlier[of] } : undefined, { at: counters.at, value: counters[of] })
      : null;
  return { diskRead: rate('readBytes'), diskWrite: rate('writtenBytes') };
}

type Rates = Pick<InterfaceRow, 'receive' | 'transmit' | 'errors'>;

function interfaceSamples(before: HostUp | undefined, now: HostUp): InterfaceRow[] {
  return now.machine.interfaces.map((i) => {
    const earlier = before?.machine.interfaces.find((b) => b.name === i.name);
    const { name, mtu, up, speed } = i;
    return { name, mtu, up, speed, ...rates(before, earlier && counts(earlier), now, counts(i)) };
  });
}

function rdmaSamples(before: HostUp | undefined, now: HostUp): RdmaPortRow[] {
  return now.machine.rdma.map((p) => {
    const earlier = before?.machine.rdma.find((b) => b.device === p.device && b.port === p.port);
    const { device, port, state, rate } = p;
    return { device, port, state, rate, ...rates(before, earlier && counts(earlier), now, counts(p)) };
  });
}

/** What an interface and an RDMA port count alike. */
function counts(of: NetworkInterface | RdmaPort): Rates {
  const errors = 'errors' in of ? of.errors : sumOf(of.receiveErrors, of.transmitErrors);
  return { receive: of.receiveBytes, transmit: of.transmitBytes, errors };
}

const sumOf = (a: number | null, b: number | null): number | null =>
  a === null && b === null ? null : (a ?? 0) + (b ?? 0);

function rates(before: HostUp | undefined, earlier: Rates | undefined, now: HostUp, current: Rates): Rates {
  const rate = (of: keyof Rates): number | null =>
    rateOf(before && earlier && { at: before.machine.at, value: earlier[of] }, {
      at: now.machine.at,
      value: current[of],
    });
  return { receive: rate('receive'), transmit: rate('transmit'), errors: rate('errors') };
}
