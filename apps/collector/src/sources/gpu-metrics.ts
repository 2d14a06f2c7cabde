import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { GpuReading, GpuSample } from '@vigil/gpu';

const STATES = ['up', 'none', 'failed'] as const;
const GPU = ['node', 'gpu', 'replay'] as const;
type Labels = Record<string, string>;

/** A gauge for each GPU: its name, what it says, and its value with further labels. */
interface SampleGauge {
  name: string;
  help: string;
  labels?: readonly string[];
  values: (s: GpuSample) => readonly (readonly [number | null, Labels?])[];
}

/** Names derived from OpenTelemetry's `hw.*`, units spelled out as Prometheus does. */
const GAUGES: readonly SampleGauge[] = [
  {
    name: 'hw_gpu_memory_usage_bytes',
    help: 'GPU memory that processes hold; what the driver reserves is not counted.',
    values: (s) => [[s.memoryUsed]],
  },
  { name: 'hw_gpu_memory_limit_bytes', help: 'GPU memory that the device has.', values: (s) => [[s.memoryTotal]] },
  {
    name: 'hw_gpu_memory_reserved_bytes',
    help: 'GPU memory that the driver reserves.',
    values: (s) => [[s.memoryReserved]],
  },
  {
    name: 'hw_gpu_memory_utilization_ratio',
    help: 'GPU memory used over GPU memory, 0 to 1.',
    values: (s) => [[s.memoryRatio]],
  },
  {
    name: 'hw_gpu_utilization_ratio',
    help: 'Share of time in which a kernel ran on the GPU, 0 to 1.',
    values: (s) => [[s.utilization]],
  },
  {
    name: 'hw_gpu_memory_bandwidth_utilization_ratio',
    help: 'Share of time in which GPU memory was read or written, 0 to 1.',
    values: (s) => [[s.memoryUtilization]],
  },
  {
    name: 'hw_temperature_celsius',
    help: 'Temperature by sensor: gpu (the die), memory.',
    labels: ['sensor'],
    values: (s) => [
      [s.temperature, { sensor: 'gpu' }],
      [s.memoryTemperature, { sensor: 'memory' }],
    ],
  },
  { name: 'hw_power_watts', help: 'Power that the GPU draws, mean of a second.', values: (s) => [[s.power]] },
  { name: 'hw_power_limit_watts', help: 'Power that the GPU may draw.', values: (s) => [[s.powerLimit]] },
  { name: 'hw_gpu_fan_speed_ratio', help: "Speed of the GPU's fan, 0 to 1.", values: (s) => [[s.fanSpeed]] },
  {
    name: 'hw_gpu_clock_hertz',
    help: 'Clock of the GPU by domain: sm, memory.',
    labels: ['clock'],
    values: (s) => [
      [s.smClock, { clock: 'sm' }],
      [s.memoryClock, { clock: 'memory' }],
    ],
  },
  {
    name: 'hw_gpu_throttle_active',
    help: '1 for each reason other than idle that lowers the clocks now.',
    labels: ['reason'],
    values: (s) => (s.throttleReasons ?? []).map((reason) => [1, { reason }] as const),
  },
  {
    name: 'hw_gpu_pcie_throughput_bytes_per_second',
    help: 'PCIe traffic of the GPU at the moment of reading, by direction: transmit, receive.',
    labels: ['direction'],
    values: (s) => [
      [s.pcieTx, { direction: 'transmit' }],
      [s.pcieRx, { direction: 'receive' }],
    ],
  },
  {
    name: 'vigil_gpu_info',
    help: 'Always 1; the labels say which GPU this is. Join on node, gpu and replay.',
    labels: ['uuid', 'name', 'driver'],
    values: (s) => [[1, { uuid: s.uuid ?? '', name: s.name ?? '', driver: s.driver ?? '' }]],
  },
];

/**
 * Puts readings at `/metrics`. Each reading replaces the one before it whole, between two scrapes, so a GPU that
 * vanished or a reading that failed leaves no series behind.
 */
export class GpuMetrics {
  private readonly gauges: readonly (SampleGauge & { gauge: Gauge })[];
  private readonly errors: Counter;
  private readonly energy: Counter;
  private readonly up: Gauge;
  private readonly state: Gauge;
  private readonly failures: Counter;
  private readonly duration: Histogram;

  constructor(
    registry: Registry,
    private readonly node: string,
  ) {
    const registers = [registry];
    this.gauges = GAUGES.map((g) => ({
      ...g,
      gauge: new Gauge({ name: g.name, help: g.help, labelNames: [...GPU, ...(g.labels ?? [])], registers }),
    }));
    this.errors = new Counter({
      name: 'hw_errors_total',
      help: 'Uncorrected memory errors of the GPU since its driver was loaded.',
      labelNames: [...GPU, 'error_type'],
      registers,
    });
    this.energy = new Counter({
      name: 'hw_energy_joules_total',
      help: 'Energy that the GPU took since its driver was loaded.',
      labelNames: GPU,
      registers,
    });
    this.up = new Gauge({
      name: 'vigil_gpu_up',
      help: '1 when the latest reading of the GPUs was good, 0 when it failed or there is none.',
      labelNames: ['node', 'source'],
      registers,
    });
    this.state = new Gauge({
      name: 'vigil_gpu_source_state',
      help: '1 for the state of the GPU source, 0 for the others: up, none (no GPU here), failed.',
      labelNames: ['node', 'source', 'state'],
      registers,
    });
    this.failures = new Counter({
      name: 'vigil_gpu_read_failures_total',
      help: 'Readings of the GPUs that failed, by reason.',
      labelNames: ['node', 'source', 'reason'],
      registers,
    });
    this.duration = new Histogram({
      name: 'vigil_gpu_read_duration_seconds',
      help: 'What one reading of all GPUs took, failed ones too.',
      labelNames: ['node', 'source'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
  }

  /** @param durationSeconds what the reading took */
  record(reading: GpuReading, durationSeconds: number): void {
    const { node } = this;
    const { source } = reading;
    for (const metric of [this.up, this.state, this.errors, this.energy]) metric.reset();
    for (const { gauge } of this.gauges) gauge.reset();
    this.up.set({ node, source }, reading.state === 'up' ? 1 : 0);
    for (const state of STATES) this.state.set({ node, source, state }, state === reading.state ? 1 : 0);
    this.duration.observe({ node, source }, durationSeconds);
    if (reading.state === 'failed') this.failures.inc({ node, source, reason: reading.kind });
    if (reading.state === 'up') for (const sample of reading.samples) this.publish(sample);
  }

  private publish(sample: GpuSample): void {
    const labels = { node: this.node, gpu: sample.gpu, replay: String(sample.replay) };
    for (const { gauge, values } of this.gauges)
      for (const [value, more] of values(sample)) if (value !== null) gauge.set({ ...labels, ...more }, value);
    // The device counts, so the whole count is set anew after the reset above.
    if (sample.eccUncorrected !== null)
      this.errors.inc({ ...labels, error_type: 'uncorrected' }, sample.eccUncorrected);
    if (sample.energy !== null) this.energy.inc(labels, sample.energy);
  }
}
