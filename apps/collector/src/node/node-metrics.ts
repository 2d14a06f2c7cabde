import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { HostFailed, HostUp } from '@vigil/host';
import type { NodeSample } from './sample.js';

type Labels = Record<string, string>;
type Values = readonly (readonly [number | null, Labels?])[];

/** A metric of the node: its name, what it says, and its values with further labels. */
interface NodeMetric {
  name: string;
  help: string;
  labels?: readonly string[];
  values: (sample: NodeSample, reading: HostUp) => Values;
}

const VOLUME = { volume: 'model' };

/** Names derived from OpenTelemetry's `system.*`, units spelled out as Prometheus does. */
const GAUGES: readonly NodeMetric[] = [
  {
    name: 'system_cpu_utilization_ratio',
    help: 'Share of the time of all CPUs that was not idle, 0 to 1, between the latest two readings.',
    values: (s) => [[s.cpuRatio]],
  },
  {
    name: 'system_cpu_load_1m',
    help: 'Processes that run or wait to run, mean of a minute.',
    values: (s) => [[s.load1]],
  },
  { name: 'system_cpu_logical_count', help: 'CPUs that are on line.', values: (s) => [[s.cpuCount]] },
  { name: 'system_uptime_seconds', help: 'Time since the machine was started.', values: (s) => [[s.uptime]] },
  {
    name: 'system_memory_limit_bytes',
    help: "Memory that programs here may use: a container's limit where there is one, else the machine's memory.",
    values: (s) => [[s.memoryTotal]],
  },
  {
    name: 'system_memory_physical_bytes',
    help: "The machine's memory, whatever a container's limit.",
    values: (_, r) => [[r.machine.memory?.machineTotal ?? null]],
  },
  {
    name: 'system_memory_available_bytes',
    help: 'Memory that could be given to another program, droppable caches included.',
    values: (s) => [[s.memoryAvailable]],
  },
  {
    name: 'system_memory_utilization_ratio',
    help: 'Share of memory that is not available, 0 to 1.',
    values: (s) => [[s.memoryRatio]],
  },
  { name: 'system_swap_usage_bytes', help: 'Swap space in use.', values: (s) => [[s.swapUsed]] },
  {
    name: 'system_filesystem_limit_bytes',
    help: 'Size of the volume that holds the model.',
    labels: ['volume'],
    values: (s) => [[s.volumeTotal, VOLUME]],
  },
  {
    name: 'system_filesystem_usage_bytes',
    help: 'Space in use on the volume that holds the model.',
    labels: ['volume'],
    values: (s) => [[s.volumeUsed, VOLUME]],
  },
  {
    name: 'system_filesystem_utilization_ratio',
    help: 'Used share of what programs may use of the volume that holds the model, 0 to 1, as df has it.',
    labels: ['volume'],
    values: (s) => [[s.volumeRatio, VOLUME]],
  },
  {
    name: 'system_network_mtu_bytes',
    help: 'Greatest packet of a physical interface.',
    labels: ['network_interface_name'],
    values: (s) => s.interfaces.map((i) => [i.mtu, { network_interface_name: i.name }] as const),
  },
  {
    name: 'vigil_node_info',
    help: 'Always 1; the labels say what the node runs and where its model lies. Join on node.',
    labels: ['congestion_control', 'kernel', 'volume_device', 'volume_filesystem'],
    values: (s, { machine, volume }) => [
      [
        1,
        {
          congestion_control: s.congestionControl ?? '',
          kernel: machine.kernel ?? '',
          volume_device: volume?.device ?? '',
          volume_filesystem: volume?.fileSystem ?? '',
        },
      ],
    ],
  },
];

/** What the kernel counts; its own counts are published as they stand. */
const COUNTERS: readonly NodeMetric[] = [
  {
    name: 'system_disk_io_bytes_total',
    help: 'Bytes that the device of the volume that holds the model has transferred, by direction: read, write.',
    labels: ['direction'],
    values: (_, { volume }) => [
      [volume?.counters?.readBytes ?? null, { direction: 'read' }],
      [volume?.counters?.writtenBytes ?? null, { direction: 'write' }],
    ],
  },
  {
    name: 'system_network_io_bytes_total',
    help: 'Bytes over each physical interface, by direction: receive, transmit.',
    labels: ['network_interface_name', 'network_io_direction'],
    values: byInterface((i) => [i.receiveBytes, i.transmitBytes]),
  },
  {
    name: 'system_network_errors_total',
    help: 'Packets with errors and dropped packets of each physical interface, by direction: receive, transmit.',
    labels: ['network_interface_name', 'network_io_direction'],
    values: byInterface((i) => [i.receiveErrors, i.transmitErrors]),
  },
  {
    name: 'hw_network_rdma_io_bytes_total',
    help: 'Bytes over each RDMA port, by direction: receive, transmit.',
    labels: ['device', 'port', 'direction'],
    values: (_, { machine }) =>
      machine.rdma.flatMap(({ device, port, receiveBytes, transmitBytes }) => [
        [receiveBytes, { device, port, direction: 'receive' }] as const,
        [transmitBytes, { device, port, direction: 'transmit' }] as const,
      ]),
  },
  {
    name: 'hw_network_rdma_errors_total',
    help: 'Errors of each RDMA port: symbols, lost links, discarded packets and the like.',
    labels: ['device', 'port'],
    values: (_, { machine }) => machine.rdma.map(({ device, port, errors }) => [errors, { device, port }] as const),
  },
];

function byInterface(
  counts: (i: HostUp['machine']['interfaces'][number]) => readonly [number | null, number | null],
): NodeMetric['values'] {
  return (_, { machine }) =>
    machine.interfaces.flatMap((i) => {
      const [receive, transmit] = counts(i);
      const labels = { network_interface_name: i.name };
      return [
        [receive, { ...labels, network_io_direction: 'receive' }] as const,
        [transmit, { ...labels, network_io_direction: 'transmit' }] as const,
      ];
    });
}

/**
 * Puts readings at `/metrics`. Each reading replaces the one before it whole, between two scrapes, so that an interface
 * that vanished, a volume that hangs or a reading that failed leaves no series behind.
 */
export class NodeMetrics {
  private readonly gauges: readonly (NodeMetric & { metric: Gauge })[];
  private readonly counters: readonly (NodeMetric & { metric: Counter })[];
  private readonly up: Gauge;
  private readonly latest: Gauge;
  private readonly failures: Counter;
  private readonly duration: Histogram;

  constructor(
    registry: Registry,
    private readonly node: string,
  ) {
    const registers = [registry];
    const labelNames = ['node'];
    const options = (m: NodeMetric) => ({
      name: m.name,
      help: m.help,
      labelNames: [...labelNames, ...(m.labels ?? [])],
      registers,
    });
    this.gauges = GAUGES.map((m) => ({ ...m, metric: new Gauge(options(m)) }));
    this.counters = COUNTERS.map((m) => ({ ...m, metric: new Counter(options(m)) }));
    this.up = new Gauge({
      name: 'vigil_node_up',
      help: '1 when the latest reading of the node was good, 0 when it failed.',
      labelNames,
      registers,
    });
    this.latest = new Gauge({
      name: 'vigil_node_last_sample_timestamp_seconds',
      help: 'When the node was last read well, in seconds since 1970.',
      labelNames,
      registers,
    });
    this.failures = new Counter({
      name: 'vigil_node_read_failures_total',
      help: 'Readings of the node that failed, by reason.',
      labelNames: [...labelNames, 'reason'],
      registers,
    });
    this.duration = new Histogram({
      name: 'vigil_node_read_duration_seconds',
      help: 'What one reading of the node took, failed ones too.',
      labelNames,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
  }

  /** @param durationSeconds what the reading took */
  record(sample: NodeSample, reading: HostUp, durationSeconds: number): void {
    const { node } = this;
    this.clear();
    this.duration.observe({ node }, durationSeconds);
    this.up.set({ node }, 1);
    this.latest.set({ node }, sample.time.getTime() / 1000);
    for (const { metric, values } of this.gauges)
      for (const [value, more] of values(sample, reading)) if (value !== null) metric.set({ node, ...more }, value);
    // The kernel counts, so the whole count is set anew after the reset.
    for (const { metric, values } of this.counters)
      for (const [value, more] of values(sample, reading)) if (value !== null) metric.inc({ node, ...more }, value);
  }

  recordFailure({ kind }: HostFailed, durationSeconds: number): void {
    const { node } = this;
    this.clear();
    this.duration.observe({ node }, durationSeconds);
    this.up.set({ node }, 0);
    this.failures.inc({ node, reason: kind });
  }

  private clear(): void {
    for (const { metric } of [...this.gauges, ...this.counters]) metric.reset();
  }
}
