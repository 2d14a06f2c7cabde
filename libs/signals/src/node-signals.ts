import { age, nodeGauge, nodeRate } from './build.js';
import { NODE_LABELS } from './labels.js';
import type { Signal } from './types.js';

const network = (direction: string) => ({
  metric: 'system_network_io_bytes_total',
  where: [`network_io_direction="${direction}"`],
});

/** What is measured of each node. */
export const NODE_SIGNALS: readonly Signal[] = [
  nodeGauge(
    {
      id: 'node.cpu.ratio',
      title: 'CPU in use',
      titleZh: 'CPU 使用率',
      unit: '1',
      description: 'Share of the time of all CPUs that was not idle.',
    },
    'cpu_ratio',
    'system_cpu_utilization_ratio',
  ),
  nodeGauge(
    {
      id: 'node.cpu.load',
      title: 'CPU load (1 min)',
      titleZh: 'CPU 负载（1 分钟）',
      unit: '{process}',
      description: 'Processes that run or wait to run, mean of a minute.',
    },
    'load1',
    'system_cpu_load_1m',
  ),
  nodeGauge(
    {
      id: 'node.memory.ratio',
      title: 'Memory in use',
      titleZh: '内存使用率',
      unit: '1',
      description: 'Share of memory that could not be given to another program; what the kernel caches can.',
    },
    'memory_ratio',
    'system_memory_utilization_ratio',
  ),
  nodeGauge(
    {
      id: 'node.memory.available',
      title: 'Memory available',
      titleZh: '可用内存',
      unit: 'By',
      description: 'Memory that could be given to another program.',
    },
    'memory_available',
    'system_memory_available_bytes',
  ),
  nodeGauge(
    {
      id: 'node.volume.ratio',
      title: 'Model volume in use',
      titleZh: '模型卷使用率',
      unit: '1',
      description: 'Used share of the volume that holds the model.',
    },
    'volume_ratio',
    'system_filesystem_utilization_ratio',
    ['volume="model"'],
  ),
  nodeRate(
    {
      id: 'node.disk.read',
      title: 'Model volume read',
      titleZh: '模型卷读取速率',
      unit: 'By/s',
      description: 'Bytes a second read from the device of the volume that holds the model.',
    },
    'disk_read',
    { metric: 'system_disk_io_bytes_total', where: ['direction="read"'] },
  ),
  nodeRate(
    {
      id: 'node.disk.write',
      title: 'Model volume written',
      titleZh: '模型卷写入速率',
      unit: 'By/s',
      description: 'Bytes a second written to the device of the volume that holds the model.',
    },
    'disk_write',
    { metric: 'system_disk_io_bytes_total', where: ['direction="write"'] },
  ),
  nodeRate(
    {
      id: 'node.network.receive',
      title: 'Network received',
      titleZh: '网络接收速率',
      unit: 'By/s',
      description: 'Bytes a second received over all physical interfaces.',
    },
    'network_receive',
    network('receive'),
  ),
  nodeRate(
    {
      id: 'node.network.transmit',
      title: 'Network sent',
      titleZh: '网络发送速率',
      unit: 'By/s',
      description: 'Bytes a second sent over all physical interfaces.',
    },
    'network_transmit',
    network('transmit'),
  ),
  nodeRate(
    {
      id: 'node.network.errors',
      title: 'Network errors',
      titleZh: '网络错误',
      unit: '{error}/s',
      description: 'Errors and drops a second on all physical interfaces.',
    },
    'network_errors',
    { metric: 'system_network_errors_total' },
  ),
  nodeRate(
    {
      id: 'node.rdma.receive',
      title: 'RDMA received',
      titleZh: 'RDMA 接收速率',
      unit: 'By/s',
      description: 'Bytes a second received over all RDMA ports, which the network interfaces do not count.',
    },
    'rdma_receive',
    { metric: 'hw_network_rdma_io_bytes_total', where: ['direction="receive"'] },
  ),
  nodeRate(
    {
      id: 'node.rdma.transmit',
      title: 'RDMA sent',
      titleZh: 'RDMA 发送速率',
      unit: 'By/s',
      description: 'Bytes a second sent over all RDMA ports, which the network interfaces do not count.',
    },
    'rdma_transmit',
    { metric: 'hw_network_rdma_io_bytes_total', where: ['direction="transmit"'] },
  ),
  nodeGauge(
    {
      id: 'node.gpu.count',
      title: 'GPUs',
      titleZh: 'GPU 数量',
      unit: '{gpu}',
      description: 'GPUs that the latest good reading of the node named.',
    },
    'gpu_count',
    'vigil_gpu_count',
  ),
  age(
    {
      id: 'node.silence',
      title: 'Node silent',
      titleZh: '节点失联时间',
      unit: 's',
      description: 'Time since the node last reported, for nodes that did within the last day.',
    },
    NODE_LABELS,
    { kind: 'age', fact: 'node', of: 'sample' },
    'vigil_node_last_sample_timestamp_seconds',
  ),
];
