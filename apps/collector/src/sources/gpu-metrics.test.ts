import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { GpuMetrics } from './gpu-metrics.js';
import { readSmiXml, RECOVERY_ACTIONS, THROTTLE_REASONS, xidEvent } from '@vigil/gpu';
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
    metrics.record(up([{ ...samples[0]!, time: new Date(5000) }]), 0.12, new Date(6500));
    const labels = 'node="node-a",gpu="0",replay="true"';
    expect(await series('hw_')).toEqual(
      [
        `hw_errors_total{${labels},error_type="uncorrected"} 0`,
        `hw_errors_total{${labels},error_type="corrected"} 0`,
        `hw_errors_total{${labels},error_type="pcie_replay"} 0`,
        `hw_gpu_clock_hertz{${labels},clock="sm"} 1485000000`,
        `hw_gpu_clock_hertz{${labels},clock="memory"} 3201000000`,
        `hw_gpu_clock_hertz{${labels},clock="graphics"} 1485000000`,
        `hw_gpu_clock_hertz{${labels},clock="video"} 1515000000`,
        `hw_gpu_memory_bandwidth_utilization_ratio{${labels}} 0.23`,
        `hw_gpu_memory_limit_bytes{${labels}} ${143771 * MIB}`,
        `hw_gpu_memory_owner_bytes{${labels},owner="other"} ${96370 * MIB}`,
        `hw_gpu_memory_reserved_bytes{${labels}} ${616 * MIB}`,
        `hw_gpu_memory_usage_bytes{${labels}} ${96379 * MIB}`,
        `hw_gpu_memory_utilization_ratio{${labels}} ${96379 / 143771}`,
        `hw_gpu_pcie_throughput_bytes_per_second{${labels},direction="transmit"} 7543000`,
        `hw_gpu_pcie_throughput_bytes_per_second{${labels},direction="receive"} 14536000`,
        `hw_gpu_recovery_action{${labels}} 0`,
        `hw_gpu_remapped_rows{${labels},error_type="corrected"} 0`,
        `hw_gpu_remapped_rows{${labels},error_type="uncorrected"} 0`,
        `hw_gpu_row_remap_failure{${labels}} 0`,
        `hw_gpu_row_remap_pending{${labels}} 0`,
        `hw_gpu_temperature_margin_celsius{${labels}} 24`,
        ...THROTTLE_REASONS.map(
          (reason) => `hw_gpu_throttle_active{${labels},reason="${reason}"} ${reason === 'sw_power_cap' ? 1 : 0}`,
        ),
        `hw_gpu_utilization_ratio{${labels}} 1`,
        `hw_power_limit_watts{${labels}} 700`,
        `hw_power_watts{${labels}} 690.81`,
        `hw_temperature_celsius{${labels},sensor="gpu"} 58`,
        `hw_temperature_celsius{${labels},sensor="memory"} 46`,
      ].toSorted(),
    );
    expect((await series('vigil_')).filter((line) => !line.startsWith('vigil_gpu_events_total'))).toEqual([
      'vigil_gpu_count{node="node-a"} 1',
      `vigil_gpu_device_up{${labels}} 1`,
      `vigil_gpu_info{${labels},uuid="GPU-00000000-1111-2222-3333-444444444444",name="NVIDIA H200",driver="580.159.04",mig_profile=""} 1`,
      'vigil_gpu_last_reading_timestamp_seconds{node="node-a"} 6.5',
      `vigil_gpu_last_seen_timestamp_seconds{${labels}} 5`,
      'vigil_gpu_read_duration_seconds_count{node="node-a",source="replay"} 1',
      'vigil_gpu_read_duration_seconds_sum{node="node-a",source="replay"} 0.12',
      'vigil_gpu_source_state{node="node-a",source="replay",state="failed"} 0',
      'vigil_gpu_source_state{node="node-a",source="replay",state="none"} 0',
      'vigil_gpu_source_state{node="node-a",source="replay",state="up"} 1',
      'vigil_gpu_up{node="node-a",source="replay"} 1',
    ]);
  });

  it('publishes nothing for what the device does not tell', async () => {
    const sample = { ...samples[0]!, utilization: null, memoryTemperature: null, eccUncorrected: null };
    const nothing = { throttleReasons: null, recoveryAction: null, remapPending: null, temperatureMargin: null };
    metrics.record(up([{ ...sample, ...nothing, processes: [] }]), 0);
    const all = (await series('hw_')).join('\n');
    expect(all).not.toMatch(
      /hw_gpu_utilization_ratio|sensor="memory"|hw_energy|NaN|throttle|recovery|pending|margin|owner|nvlink/,
    );
    expect(all).not.toMatch(/hw_errors_total\{[^}]*uncorrected/);
    expect(all).toMatch(/hw_power_watts/);
  });

  it('publishes counters of the device as they stand, reading after reading', async () => {
    for (const energy of [5, 9])
      metrics.record(
        up([{ ...samples[0]!, energy, eccUncorrected: 2, pcieReplays: 3, nvlinkErrors: 4, nvlinkTx: 5, nvlinkRx: 6 }]),
        0,
      );
    const labels = 'node="node-a",gpu="0",replay="true"';
    expect([...(await series('hw_e')), ...(await series('hw_gpu_io'))]).toEqual([
      `hw_energy_joules_total{${labels}} 9`,
      `hw_errors_total{${labels},error_type="corrected"} 0`,
      `hw_errors_total{${labels},error_type="nvlink"} 4`,
      `hw_errors_total{${labels},error_type="pcie_replay"} 3`,
      `hw_errors_total{${labels},error_type="uncorrected"} 2`,
      `hw_gpu_io_bytes_total{${labels},link="nvlink",direction="receive"} 6`,
      `hw_gpu_io_bytes_total{${labels},link="nvlink",direction="transmit"} 5`,
    ]);
  });

  it('drops the series of a GPU that vanished and keeps the others', async () => {
    metrics.record(up(samples), 0);
    expect((await series('hw_power_watts')).length).toBe(2);
    metrics.record(up([samples[1]!]), 0);
    expect((await series('hw_')).filter((line) => line.includes('gpu="0"'))).toEqual([]);
    expect(await series('vigil_gpu_info')).toHaveLength(1);
    expect(await series('vigil_gpu_count')).toEqual(['vigil_gpu_count{node="node-a"} 1']);
    expect(await series('vigil_gpu_device_up')).toEqual([
      'vigil_gpu_device_up{node="node-a",gpu="0",replay="true"} 0',
      'vigil_gpu_device_up{node="node-a",gpu="1",replay="true"} 1',
    ]);
    expect(await series('hw_power_watts')).toEqual(['hw_power_watts{node="node-a",gpu="1",replay="true"} 690.81']);
    expect(await series('vigil_gpu_up')).toEqual(['vigil_gpu_up{node="node-a",source="replay"} 1']);
  });

  it.each([
    { state: 'failed', source: 'replay', kind: 'timeout', reason: 'late' },
    { state: 'none', source: 'replay', reason: 'none here' },
  ] satisfies GpuReading[])('drops every value on $state, and keeps when each GPU was seen', async (reading) => {
    metrics.record(up(samples.map((s) => ({ ...s, time: new Date(5000) }))), 0, new Date(6000));
    metrics.record(reading, 0, new Date(9000));
    expect(await series('hw_')).toEqual([]);
    expect(await series('vigil_gpu_info')).toEqual([]);
    expect(await series('vigil_gpu_count')).toEqual(
      reading.state === 'none' ? ['vigil_gpu_count{node="node-a"} 0'] : [],
    );
    expect(await series('vigil_gpu_device_up')).toEqual([
      'vigil_gpu_device_up{node="node-a",gpu="0",replay="true"} 0',
      'vigil_gpu_device_up{node="node-a",gpu="1",replay="true"} 0',
    ]);
    expect(await series('vigil_gpu_last')).toEqual([
      'vigil_gpu_last_reading_timestamp_seconds{node="node-a"} 6',
      'vigil_gpu_last_seen_timestamp_seconds{node="node-a",gpu="0",replay="true"} 5',
      'vigil_gpu_last_seen_timestamp_seconds{node="node-a",gpu="1",replay="true"} 5',
    ]);
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

  it('knows that there are none where a source says so', async () => {
    metrics.record({ state: 'failed', source: 'nvml', kind: 'no-devices', reason: '' }, 0);
    expect(await series('vigil_gpu_count')).toEqual(['vigil_gpu_count{node="node-a"} 0']);
  });

  it('counts MIG instances as no GPUs, and publishes them beside their device', async () => {
    const instance = { ...samples[0]!, gpu: '0/3', migProfile: '1g.18gb', memoryUsed: 7 };
    metrics.record(up([samples[0]!, instance]), 0);
    expect(await series('vigil_gpu_count')).toEqual(['vigil_gpu_count{node="node-a"} 1']);
    expect(await series('vigil_gpu_device_up')).toHaveLength(1);
    expect(await series('hw_gpu_memory_usage_bytes')).toContain(
      'hw_gpu_memory_usage_bytes{node="node-a",gpu="0/3",replay="true"} 7',
    );
    expect((await series('vigil_gpu_info')).join()).toMatch(/gpu="0\/3".*mig_profile="1g\.18gb"/);
  });

  it('tells whose the memory is', async () => {
    const held = (memory: number | null, runtime: boolean) => ({
      pid: 1,
      name: null,
      container: null,
      memory,
      runtime,
    });
    const processes = [held(5, true), held(6, true), held(7, false), held(null, false)];
    metrics.record(up([{ ...samples[0]!, processes }]), 0);
    expect(await series('hw_gpu_memory_owner_bytes')).toEqual([
      'hw_gpu_memory_owner_bytes{node="node-a",gpu="0",replay="true",owner="other"} 7',
      'hw_gpu_memory_owner_bytes{node="node-a",gpu="0",replay="true",owner="vigil-runtime"} 11',
    ]);
  });

  it.each(RECOVERY_ACTIONS.map((action, index) => [action, index] as const))(
    'publishes %s as %i',
    async (action, index) => {
      metrics.record(up([{ ...samples[0]!, recoveryAction: action }]), 0);
      expect((await series('hw_gpu_recovery_action'))[0]).toMatch(new RegExp(` ${index}$`));
    },
  );

  it('counts events, from 0 for those that somebody alerts on', async () => {
    metrics.record(up([samples[0]!]), 0);
    const counted = async (): Promise<string[]> =>
      (await series('vigil_gpu_events_total')).filter((line) => !line.endsWith(' 0'));
    const foreseen = await series('vigil_gpu_events_total');
    expect(foreseen).toContain(
      'vigil_gpu_events_total{node="node-a",gpu="0",replay="true",kind="xid",class="critical",code="79"} 0',
    );
    expect(foreseen).toContain(
      'vigil_gpu_events_total{node="node-a",gpu="0",replay="true",kind="lost",class="critical",code=""} 0',
    );
    expect(await counted()).toEqual([]);
    const told = { time: new Date(0), gpu: '0', uuid: null, replay: true, source: 'nvml' };
    const lost = { ...told, kind: 'lost', code: null, class: 'critical', meaning: '', message: null } as const;
    metrics.recordEvents([xidEvent(79, told), xidEvent(13, told), xidEvent(13, { ...told, gpu: null }), lost]);
    metrics.recordEvents([xidEvent(13, told)]);
    metrics.record({ state: 'failed', source: 'nvml', kind: 'timeout', reason: '' }, 0);
    expect(await counted()).toEqual([
      'vigil_gpu_events_total{node="node-a",gpu="",replay="true",kind="xid",class="application",code="13"} 1',
      'vigil_gpu_events_total{node="node-a",gpu="0",replay="true",kind="lost",class="critical",code=""} 1',
      'vigil_gpu_events_total{node="node-a",gpu="0",replay="true",kind="xid",class="application",code="13"} 2',
      'vigil_gpu_events_total{node="node-a",gpu="0",replay="true",kind="xid",class="critical",code="79"} 1',
    ]);
  });

  it('does not grow, reading after reading', async () => {
    metrics.record(up(samples), 0);
    const lines = (await registry.metrics()).split('\n').length;
    for (let i = 0; i < 50; i++) metrics.record(up(samples), 0);
    expect((await registry.metrics()).split('\n').length).toBe(lines);
  });
});
