import { CRITICAL_XIDS, describeXid, type GpuEvent, type GpuReading, type GpuSample } from '@vigil/gpu';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { DcgmSeries } from './gpu-dcgm-series.js';
import { COUNTERS, GAUGES, type Labels, type SampleSeries } from './gpu-series.js';

const STATES = ['up', 'none', 'failed'] as const;
const GPU = ['node', 'gpu', 'replay'] as const;

export interface GpuMetricsOptions {
  /** Whose names to publish beside our own. */
  compat?: 'none' | 'dcgm';
}

/**
 * Puts readings and events at `/metrics`. Each reading replaces the one before it whole, between two scrapes, so a GPU
 * that vanished or a reading that failed leaves no value behind; that it is not up, and when it was seen last, stays.
 */
export class GpuMetrics {
  private readonly series: readonly (SampleSeries & { metric: Gauge | Counter })[];
  private readonly dcgm: DcgmSeries | undefined;
  private readonly up: Gauge;
  private readonly state: Gauge;
  private readonly failures: Counter;
  private readonly duration: Histogram;
  private readonly count: Gauge;
  private readonly lastReading: Gauge;
  private readonly deviceUp: Gauge;
  private readonly lastSeen: Gauge;
  private readonly happened: Counter;
  /** Labels of the devices that were seen, by index and whether they are a replay. */
  private readonly devices = new Map<string, Labels>();

  constructor(
    private readonly registry: Registry,
    private readonly node: string,
    options: GpuMetricsOptions = {},
  ) {
    const registers = [registry];
    const of = ({ name, help, labels = [] }: SampleSeries) => ({
      name,
      help,
      labelNames: [...GPU, ...labels],
      registers,
    });
    this.series = [
      ...GAUGES.map((s) => ({ ...s, metric: new Gauge(of(s)) })),
      ...COUNTERS.map((s) => ({ ...s, metric: new Counter(of(s)) })),
    ];
    if (options.compat === 'dcgm') this.dcgm = new DcgmSeries(registry, node);
    this.up = this.gauge(
      'vigil_gpu_up',
      '1 when the latest reading of the GPUs was good, 0 when it failed or there is none.',
      ['node', 'source'],
    );
    this.state = this.gauge(
      'vigil_gpu_source_state',
      '1 for the state of the GPU source, 0 for the others: up, none (no GPU here), failed.',
      ['node', 'source', 'state'],
    );
    this.count = this.gauge('vigil_gpu_count', 'GPUs that the latest reading told; absent while that is not known.', [
      'node',
    ]);
    this.lastReading = this.gauge(
      'vigil_gpu_last_reading_timestamp_seconds',
      'When the GPUs were last read well, seconds since 1970.',
      ['node'],
    );
    this.deviceUp = this.gauge(
      'vigil_gpu_device_up',
      '1 for each GPU that the latest reading told, 0 for one that was told before.',
      GPU,
    );
    this.lastSeen = this.gauge(
      'vigil_gpu_last_seen_timestamp_seconds',
      'When the GPU was last read, seconds since 1970; it stays when the GPU vanishes.',
      GPU,
    );
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
    this.happened = new Counter({
      name: 'vigil_gpu_events_total',
      help: 'Events of GPUs by kind (xid, lost, returned), class (critical, warning, application, unknown) and code of the XID.',
      labelNames: [...GPU, 'kind', 'class', 'code'],
      registers,
    });
  }

  /** @param durationSeconds what the reading took */
  record(reading: GpuReading, durationSeconds: number, now: Date = new Date()): void {
    const { node } = this;
    const { source } = reading;
    for (const metric of [this.up, this.state, this.count]) metric.reset();
    for (const { metric } of this.series) metric.reset();
    this.up.set({ node, source }, reading.state === 'up' ? 1 : 0);
    for (const state of STATES) this.state.set({ node, source, state }, state === reading.state ? 1 : 0);
    this.duration.observe({ node, source }, durationSeconds);
    if (reading.state === 'failed') this.failures.inc({ node, source, reason: reading.kind });
    const samples = reading.state === 'up' ? reading.samples : [];
    const devices = samples.filter((s) => !s.gpu.includes('/'));
    if (reading.state === 'up') this.lastReading.set({ node }, now.getTime() / 1000);
    // A reading that failed does not know, unless it says that there is none.
    if (reading.state !== 'failed' || reading.kind === 'no-devices') this.count.set({ node }, devices.length);
    for (const sample of samples) this.publish(sample);
    this.see(devices);
    this.dcgm?.publish(samples);
  }

  /** Counts what happened. */
  recordEvents(events: readonly GpuEvent[]): void {
    for (const { gpu, replay, kind, class: severity, code } of events) {
      this.happened.inc(this.eventLabels(gpu, replay, kind, severity, code));
      if (kind === 'xid' && gpu !== null && code !== null) this.dcgm?.noteXid(gpu, code);
    }
  }

  private publish(sample: GpuSample): void {
    const labels = { node: this.node, gpu: sample.gpu, replay: String(sample.replay) };
    // After the reset above an increase from 0 sets: the device counts, and its count stands there as it is.
    for (const { metric, values } of this.series)
      for (const [value, more] of values(sample)) if (value !== null) metric.inc({ ...labels, ...more }, value);
  }

  private see(devices: readonly GpuSample[]): void {
    this.deviceUp.reset();
    for (const labels of this.devices.values()) this.deviceUp.set(labels, 0);
    for (const { gpu, replay, time } of devices) {
      const labels = { node: this.node, gpu, replay: String(replay) };
      const key = `${gpu} ${replay}`;
      if (!this.devices.has(key)) this.foresee(gpu, replay);
      this.devices.set(key, labels);
      this.deviceUp.set(labels, 1);
      this.lastSeen.set(labels, time.getTime() / 1000);
    }
  }

  /** The first event of a series would be no increase to Prometheus: those that somebody alerts on begin at 0. */
  private foresee(gpu: string, replay: boolean): void {
    for (const code of [...CRITICAL_XIDS, 94])
      for (const of of [gpu, null])
        this.happened.inc(this.eventLabels(of, replay, 'xid', describeXid(code).class, code), 0);
    this.happened.inc(this.eventLabels(gpu, replay, 'lost', 'critical', null), 0);
    this.happened.inc(this.eventLabels(gpu, replay, 'returned', 'warning', null), 0);
  }

  private eventLabels(
    gpu: string | null,
    replay: boolean,
    kind: GpuEvent['kind'],
    severity: GpuEvent['class'],
    code: number | null,
  ): Labels {
    const more = { kind, class: severity, code: code === null ? '' : String(code) };
    return { node: this.node, gpu: gpu ?? '', replay: String(replay), ...more };
  }

  private gauge(name: string, help: string, labelNames: readonly string[]): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}
