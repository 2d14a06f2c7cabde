import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { GpuMetrics } from './gpu-metrics.js';
import { readSmiXml } from '@vigil/gpu';
import { recording, withGpus } from '@vigil/gpu/testing';
import type { GpuReading, GpuSample } from '@vigil/gpu';

const MIB = 2 ** 20;

describe('GpuMetrics', () => {
  let registry: Registry;
  let metrics: GpuMetrics;
  let samples: GpuSample[];

  beforeEach(async () => {
    registry = new Registry();
    metrics = new GpuMetrics(registry, 'node-a');
    const xml = withGpus(await recording('h200-load'), 2);
    const result = readSmiXml(xml, { time: new Date(0), source: 'replay', replay: true });
    if (!result.ok) throw new Error(result.reason);
    samples = result.samples;
  });

  const up = (of: GpuSample[]): GpuReading => ({ state: 'up', source: 'replay', samples: of, notes: [], events: [] });
  /** The series, one a line, without buckets. */
  const series = async (prefix: string): Promise<string[]> =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith(prefix) && !line.includes('_bucket'))
      .toSorted();

  it('publishes a reading', async () => {
    metrics.record(up([samples[0]!]), 0.12);
    const labels = 'node="node-a",gpu="0",replay="true"';
    expect(await series('hw_')).toEqual(
      [
        `hw_errors_total{${labels},error_type="uncorrected"} 0`,
        `hw_gpu_clock_hertz{${labels},clock="sm"} 1485000000`,
        `hw_gpu_clock_hertz{${labels},clock="memory"} 3201000000`,
        `hw_gpu_memory_bandwidth_utilization_ratio{${labels}} 0.23`,
        `hw_gpu_memory_limit_bytes{${labels}} ${143771 * MIB}`,
        `hw_gpu_memory_reserved_bytes{${labels}} ${616 * MIB}`,
        `hw_gpu_memory_usage_bytes{${labels}} ${96379 * MIB}`,
        `hw_gpu_memory_utilization_ratio{${labels}} ${96379 / 143771}`,
        `hw_gpu_pcie_throughput_bytes_per_second{${labels},direction="transmit"} 7543000`,
        `hw_gpu_pcie_throughput_bytes_per_second{${labels},direction="receive"} 14536000`,
        `hw_gpu_throttle_active{${labels},reason="sw_power_cap"} 1`,
        `hw_gpu_utilization_ratio{${labels}} 1`,
        `hw_power_limit_watts{${labels}} 700`,
        `hw_power_watts{${labels}} 690.81`,
        `hw_temperature_celsius{${labels},sensor="gpu"} 58`,
        `hw_temperature_celsius{${labels},sensor="memory"} 46`,
      ].toSorted(),
    );
    expect(await series('vigil_')).toEqual([
      `vigil_gpu_info{${labels},uuid="GPU-00000000-1111-2222-3333-444444444444",name="NVIDIA H200",driver="580.159.04"} 1`,
      'vigil_gpu_read_duration_seconds_count{node="node-a",source="replay"} 1',
      'vigil_gpu_read_duration_seconds_sum{node="node-a",source="replay"} 0.12',
      'vigil_gpu_source_state{node="node-a",source="replay",state="failed"} 0',
      'vigil_gpu_source_state{node="node-a",source="replay",state="none"} 0',
      'vigil_gpu_source_state{node="node-a",source="replay",state="up"} 1',
      'vigil_gpu_up{node="node-a",source="replay"} 1',
    ]);
  });

  it('publishes nothing for what the device does not tell', async () => {
    metrics.record(up([{ ...samples[0]!, utilization: null, memoryTemperature: null, eccUncorrected: null }]), 0);
    const all = (await series('hw_')).join('\n');
    expect(all).not.toMatch(/hw_gpu_utilization_ratio|sensor="memory"|hw_errors_total|hw_energy|NaN/);
    expect(all).toMatch(/hw_power_watts/);
  });

  it('publishes counters of the device as they stand, reading after reading', async () => {
    for (const energy of [5, 9]) metrics.record(up([{ ...samples[0]!, energy, eccUncorrected: 2 }]), 0);
    expect(await series('hw_e')).toEqual([
      'hw_energy_joules_total{node="node-a",gpu="0",replay="true"} 9',
      'hw_errors_total{node="node-a",gpu="0",replay="true",error_type="uncorrected"} 2',
    ]);
  });

  it('drops the series of a GPU that vanished and keeps the others', async () => {
    metrics.record(up(samples), 0);
    expect((await series('hw_power_watts')).length).toBe(2);
    metrics.record(up([samples[1]!]), 0);
    expect((await registry.metrics()).match(/gpu="0"/)).toBeNull();
    expect(await series('hw_power_watts')).toEqual(['hw_power_watts{node="node-a",gpu="1",replay="true"} 690.81']);
    expect(await series('vigil_gpu_up')).toEqual(['vigil_gpu_up{node="node-a",source="replay"} 1']);
  });

  it.each([
    { state: 'failed', source: 'replay', kind: 'timeout', reason: 'late' },
    { state: 'none', source: 'replay', reason: 'none here' },
  ] satisfies GpuReading[])('drops every series on $state', async (reading) => {
    metrics.record(up(samples), 0);
    metrics.record(reading, 0);
    expect((await registry.metrics()).match(/gpu="/)).toBeNull();
    expect(await series('vigil_gpu_up')).toEqual(['vigil_gpu_up{node="node-a",source="replay"} 0']);
    expect((await series('vigil_gpu_source_state')).filter((line) => line.endsWith(' 1'))).toEqual([
      `vigil_gpu_source_state{node="node-a",source="replay",state="${reading.state}"} 1`,
    ]);
  });

  it('counts failures by reason', async () => {
    for (const kind of ['timeout', 'driver', 'timeout'] as const)
      metrics.record({ state: 'failed', source: 'nvidia-smi', kind, reason: '' }, 0);
    metrics.record(up(samples), 0);
    expect(await series('vigil_gpu_read_failures_total')).toEqual([
      'vigil_gpu_read_failures_total{node="node-a",source="nvidia-smi",reason="driver"} 1',
      'vigil_gpu_read_failures_total{node="node-a",source="nvidia-smi",reason="timeout"} 2',
    ]);
  });
});
