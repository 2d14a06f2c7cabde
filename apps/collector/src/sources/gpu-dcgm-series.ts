import { THROTTLE_REASONS, type GpuSample } from '@vigil/gpu';
import { Counter, Gauge, type Registry } from 'prom-client';

const MIB = 2 ** 20;
const LABELS = [
  'gpu',
  'UUID',
  'device',
  'modelName',
  'GPU_I_PROFILE',
  'GPU_I_ID',
  'Hostname',
  'DCGM_FI_DRIVER_VERSION',
  'replay',
] as const;

interface Field {
  type: 'gauge' | 'counter';
  help: string;
  value: (s: GpuSample) => number | null;
}

/** 57 % of 0.57, and not 56.99999999999999. */
const percent = (value: number | null): number | null => (value === null ? null : Math.round(value * 1e8) / 1e6);
const over = (value: number | null, divisor: number): number | null => (value === null ? null : value / divisor);
const gauge = (help: string, value: Field['value']): Field => ({ type: 'gauge', help, value });
const counter = (help: string, value: Field['value']): Field => ({ type: 'counter', help, value });

const THROTTLE = gauge('Reasons for lowered clocks, a bit each, without idle.', ({ throttleReasons }) =>
  throttleReasons === null
    ? null
    : THROTTLE_REASONS.reduce((mask, reason, i) => mask + (throttleReasons.includes(reason) ? 2 ** (i + 1) : 0), 0),
);

/** What a dcgm-exporter calls the things that we read, in its units. What only its profiler measures is not here. */
const FIELDS: Readonly<Record<string, Field>> = {
  DEV_SM_CLOCK: gauge('SM clock (in MHz).', (s) => over(s.smClock, 1e6)),
  DEV_MEM_CLOCK: gauge('Memory clock (in MHz).', (s) => over(s.memoryClock, 1e6)),
  DEV_VIDEO_CLOCK: gauge('Video clock (in MHz).', (s) => over(s.videoClock, 1e6)),
  DEV_GPU_TEMP: gauge('GPU temperature (in C).', (s) => s.temperature),
  DEV_MEMORY_TEMP: gauge('Memory temperature (in C).', (s) => s.memoryTemperature),
  DEV_POWER_USAGE: gauge('Power draw (in W).', (s) => s.power),
  DEV_ENFORCED_POWER_LIMIT: gauge('Power limit (in W).', (s) => s.powerLimit),
  DEV_TOTAL_ENERGY_CONSUMPTION: counter('Energy since the driver was loaded (in mJ).', (s) =>
    s.energy === null ? null : Math.round(s.energy * 1000),
  ),
  DEV_FAN_SPEED: gauge('Fan speed (in %).', (s) => percent(s.fanSpeed)),
  DEV_GPU_UTIL: gauge('GPU utilization (in %).', (s) => percent(s.utilization)),
  DEV_MEM_COPY_UTIL: gauge('Memory utilization (in %).', (s) => percent(s.memoryUtilization)),
  PROF_GR_ENGINE_ACTIVE: gauge('Share of time in which a kernel ran, 0 to 1.', (s) => s.utilization),
  PROF_DRAM_ACTIVE: gauge('Share of time in which memory was accessed, 0 to 1.', (s) => s.memoryUtilization),
  DEV_FB_TOTAL: gauge('Memory of the GPU (in MiB).', (s) => over(s.memoryTotal, MIB)),
  DEV_FB_USED: gauge('Memory used (in MiB).', (s) => over(s.memoryUsed, MIB)),
  DEV_FB_RESERVED: gauge('Memory that the driver reserves (in MiB).', (s) => over(s.memoryReserved, MIB)),
  DEV_FB_FREE: gauge('Memory free (in MiB).', (s) =>
    s.memoryTotal === null || s.memoryUsed === null
      ? null
      : Math.max(s.memoryTotal - s.memoryUsed - (s.memoryReserved ?? 0), 0) / MIB,
  ),
  DEV_ECC_SBE_VOL_TOTAL: counter('Corrected memory errors since the driver was loaded.', (s) => s.eccCorrected),
  DEV_ECC_DBE_VOL_TOTAL: counter('Uncorrected memory errors since the driver was loaded.', (s) => s.eccUncorrected),
  DEV_CORRECTABLE_REMAPPED_ROWS: counter('Rows replaced for corrected errors.', (s) => s.remappedCorrected),
  DEV_UNCORRECTABLE_REMAPPED_ROWS: counter('Rows replaced for uncorrected errors.', (s) => s.remappedUncorrected),
  DEV_ROW_REMAP_PENDING: gauge('Whether a row waits to be replaced.', (s) => flag(s.remapPending)),
  DEV_ROW_REMAP_FAILURE: gauge('Whether replacing a row failed.', (s) => flag(s.remapFailed)),
  DEV_PCIE_REPLAY_COUNTER: counter('Packets sent again over PCIe.', (s) => s.pcieReplays),
  DEV_PCIE_TX_THROUGHPUT: gauge('Sent over PCIe (in KB/s).', (s) => over(s.pcieTx, 1000)),
  DEV_PCIE_RX_THROUGHPUT: gauge('Received over PCIe (in KB/s).', (s) => over(s.pcieRx, 1000)),
  DEV_CLOCK_THROTTLE_REASONS: THROTTLE,
  DEV_CLOCKS_EVENT_REASONS: THROTTLE,
};

function flag(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}

/** The series of a dcgm-exporter, by its names, labels and units, so that a site's dashboards find them. */
export class DcgmSeries {
  private readonly metrics: readonly (Field & { metric: Gauge | Counter })[];
  private readonly xid: Gauge;
  /** The last XID of each GPU, which a dcgm-exporter goes on telling. */
  private readonly xids = new Map<string, number>();

  constructor(
    registry: Registry,
    private readonly node: string,
  ) {
    const common = { labelNames: LABELS, registers: [registry] };
    this.metrics = Object.entries(FIELDS).map(([name, field]) => {
      const options = { name: `DCGM_FI_${name}`, help: field.help, ...common };
      return { ...field, metric: field.type === 'gauge' ? new Gauge(options) : new Counter(options) };
    });
    this.xid = new Gauge({ name: 'DCGM_FI_DEV_XID_ERRORS', help: 'The last XID; 0 for none.', ...common });
  }

  /** In place of everything before. */
  publish(samples: readonly GpuSample[]): void {
    this.xid.reset();
    for (const { metric } of this.metrics) metric.reset();
    for (const sample of samples) {
      const labels = this.labels(sample);
      for (const { metric, value } of this.metrics) {
        const found = value(sample);
        if (found !== null) metric.inc(labels, found);
      }
      this.xid.set(labels, this.xids.get(sample.gpu) ?? 0);
    }
  }

  /** Told with the next samples. */
  noteXid(gpu: string, code: number): void {
    this.xids.set(gpu, code);
  }

  private labels(sample: GpuSample): Record<string, string> {
    const [device, instance] = sample.gpu.split('/') as [string, string?];
    return {
      gpu: device,
      UUID: sample.uuid ?? '',
      device: `nvidia${device}`,
      modelName: sample.name ?? '',
      Hostname: this.node,
      DCGM_FI_DRIVER_VERSION: sample.driver ?? '',
      ...(instance !== undefined && { GPU_I_ID: instance, GPU_I_PROFILE: sample.migProfile ?? '' }),
      // A dcgm-exporter replays nothing.
      ...(sample.replay && { replay: 'true' }),
    };
  }
}
