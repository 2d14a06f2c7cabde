import { age, gpuGauge, gpuRate, gpusMissing, xidCount, type Named } from './build.js';
import { GPU_LABELS, NODE_LABELS } from './labels.js';
import type { Signal, Unit } from './types.js';

const named = (id: string, title: string, titleZh: string, unit: Unit, description: string): Named => ({
  id,
  title,
  titleZh,
  unit,
  description,
});

/** A share of time in which one reason lowered the clocks. */
const throttle = (
  id: string,
  reason: string,
  of: Parameters<typeof gpuGauge>[1],
  [title, titleZh, description]: [string, string, string],
): Signal =>
  gpuGauge(named(id, title, titleZh, '1', description), of, 'hw_gpu_throttle_active', [`reason="${reason}"`]);

const LOAD: Signal[] = [
  gpuGauge(
    named(
      'gpu.memory.ratio',
      'GPU memory in use',
      '显存使用率',
      '1',
      'Used over total GPU memory. Memory that the driver reserves does not count as used.',
    ),
    'memory_ratio',
    'hw_gpu_memory_utilization_ratio',
  ),
  gpuGauge(
    named('gpu.memory.used', 'GPU memory used', '显存用量', 'By', 'GPU memory that processes hold.'),
    'memory_used',
    'hw_gpu_memory_usage_bytes',
  ),
  gpuGauge(
    named('gpu.memory.total', 'GPU memory', '显存总量', 'By', 'GPU memory that the device has.'),
    'memory_total',
    'hw_gpu_memory_limit_bytes',
  ),
  gpuGauge(
    named('gpu.utilization', 'GPU utilisation', 'GPU 利用率', '1', 'Share of time in which a kernel ran.'),
    'utilization',
    'hw_gpu_utilization_ratio',
  ),
  gpuGauge(
    named(
      'gpu.memory.bandwidth.ratio',
      'GPU memory bandwidth in use',
      '显存带宽利用率',
      '1',
      'Share of time in which GPU memory was read or written.',
    ),
    'memory_utilization',
    'hw_gpu_memory_bandwidth_utilization_ratio',
  ),
  gpuGauge(
    named('gpu.temperature', 'GPU temperature', 'GPU 温度', 'Cel', 'Temperature of the GPU die.'),
    'temperature',
    'hw_temperature_celsius',
    ['sensor="gpu"'],
  ),
  gpuGauge(
    named(
      'gpu.memory.temperature',
      'GPU memory temperature',
      '显存温度',
      'Cel',
      'Temperature of the GPU memory, where the device tells.',
    ),
    'memory_temperature',
    'hw_temperature_celsius',
    ['sensor="memory"'],
  ),
  gpuGauge(
    named(
      'gpu.temperature.margin',
      'Margin to slowdown',
      '降频温度余量',
      'Cel',
      'Degrees that the GPU die may still gain before it is slowed down.',
    ),
    'temperature_margin',
    'hw_gpu_temperature_margin_celsius',
  ),
  gpuGauge(named('gpu.power', 'GPU power', 'GPU 功耗', 'W', 'Power that the GPU draws.'), 'power', 'hw_power_watts'),
  gpuGauge(
    named('gpu.power.limit', 'GPU power limit', 'GPU 功耗上限', 'W', 'Power that the GPU may draw.'),
    'power_limit',
    'hw_power_limit_watts',
  ),
  gpuGauge(
    named('gpu.clock.sm', 'SM clock', 'SM 时钟频率', 'Hz', 'Clock of the streaming multiprocessors.'),
    'sm_clock',
    'hw_gpu_clock_hertz',
    ['clock="sm"'],
  ),
  gpuGauge(
    named('gpu.clock.memory', 'Memory clock', '显存时钟频率', 'Hz', 'Clock of the GPU memory.'),
    'memory_clock',
    'hw_gpu_clock_hertz',
    ['clock="memory"'],
  ),
];

const THROTTLING: Signal[] = [
  throttle('gpu.throttle.hw_thermal', 'hw_thermal_slowdown', 'throttle_hw_thermal', [
    'Thermal slowdown (hardware)',
    '硬件过热降频',
    'Share of time in which the hardware lowered the clocks since the GPU was too hot.',
  ]),
  throttle('gpu.throttle.hw_power_brake', 'hw_power_brake_slowdown', 'throttle_hw_power_brake', [
    'Power brake (hardware)',
    '硬件功率制动',
    'Share of time in which a signal from outside, such as the power supply, made the hardware lower the clocks.',
  ]),
  throttle('gpu.throttle.hw_slowdown', 'hw_slowdown', 'throttle_hw_slowdown', [
    'Slowdown (hardware)',
    '硬件降频',
    'Share of time in which the hardware lowered the clocks, by heat, power brake or a fast draw of power.',
  ]),
  throttle('gpu.throttle.sw_thermal', 'sw_thermal_slowdown', 'throttle_sw_thermal', [
    'Thermal slowdown (software)',
    '软件过热降频',
    'Share of time in which the driver lowered the clocks to keep the GPU below its target temperature.',
  ]),
  throttle('gpu.throttle.sw_power_cap', 'sw_power_cap', 'throttle_sw_power_cap', [
    'Power cap',
    '功率上限降频',
    'Share of time in which the driver lowered the clocks to keep within the power limit; usual under full load.',
  ]),
];

const HEALTH: Signal[] = [
  xidCount(
    named(
      'gpu.xid.count',
      'XID errors',
      'XID 错误',
      '{event}',
      'Errors (XIDs) that the driver reported, by code and class: critical, warning, application (a fault of the program that ran), unknown.',
    ),
  ),
  gpuGauge(
    named(
      'gpu.recovery.action',
      'Recovery action',
      '恢复操作',
      '{state}',
      'What the driver asks for before the GPU can be trusted again: 0 nothing, 1 reset the GPU, 2 reboot the node, 3 drain peer-to-peer traffic, 4 drain the GPU and reset it.',
    ),
    'recovery_action',
    'hw_gpu_recovery_action',
  ),
  gpuGauge(
    named(
      'gpu.ecc.uncorrected',
      'Uncorrected memory errors',
      '不可纠正的显存错误',
      '{error}',
      'Memory errors since the driver was loaded that ECC could not correct.',
    ),
    'ecc_uncorrected',
    'hw_errors_total',
    ['error_type="uncorrected"'],
  ),
  gpuGauge(
    named(
      'gpu.ecc.corrected',
      'Corrected memory errors',
      '已纠正的显存错误',
      '{error}',
      'Memory errors since the driver was loaded that ECC corrected.',
    ),
    'ecc_corrected',
    'hw_errors_total',
    ['error_type="corrected"'],
  ),
  gpuGauge(
    named(
      'gpu.remap.failed',
      'Row remapping failed',
      '行重映射失败',
      '{state}',
      '1 where a faulty row of memory could not be replaced: no spare row is left. 0 where not.',
    ),
    'remap_failed',
    'hw_gpu_row_remap_failure',
  ),
  gpuGauge(
    named(
      'gpu.remap.pending',
      'Row remapping pending',
      '待行重映射',
      '{state}',
      '1 where a faulty row of memory waits for the next reset to be replaced, 0 where not.',
    ),
    'remap_pending',
    'hw_gpu_row_remap_pending',
  ),
  gpuGauge(
    named(
      'gpu.remap.uncorrected',
      'Rows remapped (uncorrected)',
      '重映射行数（不可纠正）',
      '{row}',
      'Rows of memory that were replaced for errors that ECC could not correct, in the life of the device.',
    ),
    'remapped_uncorrected',
    'hw_gpu_remapped_rows',
    ['error_type="uncorrected"'],
  ),
  gpuGauge(
    named(
      'gpu.remap.corrected',
      'Rows remapped (corrected)',
      '重映射行数（已纠正）',
      '{row}',
      'Rows of memory that were replaced for many errors that ECC corrected, in the life of the device.',
    ),
    'remapped_corrected',
    'hw_gpu_remapped_rows',
    ['error_type="corrected"'],
  ),
  age(
    named(
      'gpu.silence',
      'GPU unseen',
      'GPU 失联时间',
      's',
      'Time since the GPU was last among those that were read, for GPUs seen within the last day. MIG instances come and go with the configuration: only whole devices are missed.',
    ),
    GPU_LABELS,
    { kind: 'age', fact: 'gpu', of: 'sample' },
    'vigil_gpu_last_seen_timestamp_seconds',
    ['gpu!~".*/.*"'],
  ),
  age(
    named(
      'gpu.reading.age',
      'Age of the GPU reading',
      'GPU 读数时效',
      's',
      'Time since the last good reading of the GPUs of a node that had some within the last day.',
    ),
    NODE_LABELS,
    { kind: 'age', fact: 'node', of: 'gpu_reading' },
    'vigil_gpu_last_reading_timestamp_seconds',
  ),
  gpusMissing(
    named(
      'gpu.missing',
      'GPUs missing',
      '缺失的 GPU',
      '{gpu}',
      'The greatest number of GPUs of the node within the last six hours less the present number.',
    ),
    6,
  ),
];

const LINKS: Signal[] = [
  gpuGauge(
    named('gpu.pcie.transmit', 'PCIe sent', 'PCIe 发送速率', 'By/s', 'Bytes a second that the GPU sends over PCIe.'),
    'pcie_tx',
    'hw_gpu_pcie_throughput_bytes_per_second',
    ['direction="transmit"'],
  ),
  gpuGauge(
    named(
      'gpu.pcie.receive',
      'PCIe received',
      'PCIe 接收速率',
      'By/s',
      'Bytes a second that the GPU receives over PCIe.',
    ),
    'pcie_rx',
    'hw_gpu_pcie_throughput_bytes_per_second',
    ['direction="receive"'],
  ),
  gpuGauge(
    named(
      'gpu.pcie.replays',
      'PCIe replays',
      'PCIe 重传次数',
      '{error}',
      'Packets that PCIe had to send again since the driver was loaded.',
    ),
    'pcie_replays',
    'hw_errors_total',
    ['error_type="pcie_replay"'],
  ),
  gpuRate(
    named(
      'gpu.nvlink.transmit',
      'NVLink sent',
      'NVLink 发送速率',
      'By/s',
      'Bytes a second that the GPU sends over all its NVLinks.',
    ),
    'nvlink_tx',
    { metric: 'hw_gpu_io_bytes_total', where: ['link="nvlink"', 'direction="transmit"'] },
  ),
  gpuRate(
    named(
      'gpu.nvlink.receive',
      'NVLink received',
      'NVLink 接收速率',
      'By/s',
      'Bytes a second that the GPU receives over all its NVLinks.',
    ),
    'nvlink_rx',
    { metric: 'hw_gpu_io_bytes_total', where: ['link="nvlink"', 'direction="receive"'] },
  ),
  gpuGauge(
    named(
      'gpu.nvlink.errors',
      'NVLink errors',
      'NVLink 错误',
      '{error}',
      'Errors of all NVLinks (CRC, replay, recovery) since the driver was loaded.',
    ),
    'nvlink_errors',
    'hw_errors_total',
    ['error_type="nvlink"'],
  ),
];

/** What is measured of each GPU. */
export const GPU_SIGNALS: readonly Signal[] = [...LOAD, ...THROTTLING, ...HEALTH, ...LINKS];
