import { RECOVERY_ACTIONS, THROTTLE_REASONS, type GpuSample } from '@vigil/gpu';

export type Labels = Record<string, string>;

/** A metric for each GPU: its name, what it says, and its values with further labels. */
export interface SampleSeries {
  name: string;
  help: string;
  labels?: readonly string[];
  values: (s: GpuSample) => readonly (readonly [number | null, Labels?])[];
}

const bit = (value: boolean | null): number | null => (value === null ? null : Number(value));

/** Names derived from OpenTelemetry's `hw.*`, units spelled out as Prometheus does. */
export const GAUGES: readonly SampleSeries[] = [
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
    name: 'hw_gpu_memory_owner_bytes',
    help: 'GPU memory by who holds it: vigil-runtime, other. Only processes whose memory is told.',
    labels: ['owner'],
    values: (s) => [
      [heldBy(s, true), { owner: 'vigil-runtime' }],
      [heldBy(s, false), { owner: 'other' }],
    ],
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
  {
    name: 'hw_gpu_temperature_margin_celsius',
    help: 'Degrees that the die may still gain before it is slowed down.',
    values: (s) => [[s.temperatureMargin]],
  },
  { name: 'hw_power_watts', help: 'Power that the GPU draws, mean of a second.', values: (s) => [[s.power]] },
  { name: 'hw_power_limit_watts', help: 'Power that the GPU may draw.', values: (s) => [[s.powerLimit]] },
  { name: 'hw_gpu_fan_speed_ratio', help: "Speed of the GPU's fan, 0 to 1.", values: (s) => [[s.fanSpeed]] },
  {
    name: 'hw_gpu_clock_hertz',
    help: 'Clock of the GPU by domain: sm, memory, graphics, video.',
    labels: ['clock'],
    values: (s) => [
      [s.smClock, { clock: 'sm' }],
      [s.memoryClock, { clock: 'memory' }],
      [s.graphicsClock, { clock: 'graphics' }],
      [s.videoClock, { clock: 'video' }],
    ],
  },
  {
    name: 'hw_gpu_throttle_active',
    help: '1 for each reason other than idle that lowers the clocks now, 0 for the other reasons.',
    labels: ['reason'],
    values: ({ throttleReasons: active }) =>
      active === null
        ? []
        : [...new Set([...THROTTLE_REASONS, ...active])].map((reason) => [Number(active.includes(reason)), { reason }]),
  },
  {
    name: 'hw_gpu_remapped_rows',
    help: 'Rows of GPU memory that were replaced, by the errors that caused it: corrected, uncorrected.',
    labels: ['error_type'],
    values: (s) => [
      [s.remappedCorrected, { error_type: 'corrected' }],
      [s.remappedUncorrected, { error_type: 'uncorrected' }],
    ],
  },
  {
    name: 'hw_gpu_row_remap_pending',
    help: '1 where a row of GPU memory waits for the next reset to be replaced.',
    values: (s) => [[bit(s.remapPending)]],
  },
  {
    name: 'hw_gpu_row_remap_failure',
    help: '1 where replacing a row of GPU memory failed.',
    values: (s) => [[bit(s.remapFailed)]],
  },
  {
    name: 'hw_gpu_recovery_action',
    help: `What the driver wants done before the GPU can be trusted: ${RECOVERY_ACTIONS.map((a, i) => `${i} ${a}`).join(', ')}.`,
    values: (s) => [[s.recoveryAction === null ? null : RECOVERY_ACTIONS.indexOf(s.recoveryAction)]],
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
    labels: ['uuid', 'name', 'driver', 'mig_profile'],
    values: (s) => [
      [1, { uuid: s.uuid ?? '', name: s.name ?? '', driver: s.driver ?? '', mig_profile: s.migProfile ?? '' }],
    ],
  },
];

/** What the device counts itself, since its driver was loaded. */
export const COUNTERS: readonly SampleSeries[] = [
  {
    name: 'hw_errors_total',
    help: 'Errors of the GPU since its driver was loaded: uncorrected and corrected (memory), pcie_replay, nvlink.',
    labels: ['error_type'],
    values: (s) => [
      [s.eccUncorrected, { error_type: 'uncorrected' }],
      [s.eccCorrected, { error_type: 'corrected' }],
      [s.pcieReplays, { error_type: 'pcie_replay' }],
      [s.nvlinkErrors, { error_type: 'nvlink' }],
    ],
  },
  {
    name: 'hw_energy_joules_total',
    help: 'Energy that the GPU took since its driver was loaded.',
    values: (s) => [[s.energy]],
  },
  {
    name: 'hw_gpu_io_bytes_total',
    help: 'Bytes over the links of the GPU since its driver was loaded, by link (nvlink) and direction: transmit, receive.',
    labels: ['link', 'direction'],
    values: (s) => [
      [s.nvlinkTx, { link: 'nvlink', direction: 'transmit' }],
      [s.nvlinkRx, { link: 'nvlink', direction: 'receive' }],
    ],
  },
];

/** `null` where no such process tells its memory. */
function heldBy({ processes }: GpuSample, runtime: boolean): number | null {
  const known = processes.filter((p) => p.runtime === runtime).flatMap((p) => (p.memory === null ? [] : [p.memory]));
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
}
