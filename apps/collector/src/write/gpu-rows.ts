import type { GpuSampleRow } from '@vigil/store';
import type { GpuSample } from '@vigil/gpu';

/** The row of one reading of one GPU. */
export function toGpuRow(sample: GpuSample, node: string): GpuSampleRow {
  return {
    time: sample.time,
    node,
    gpu: sample.gpu,
    uuid: sample.uuid,
    name: sample.name,
    driver: sample.driver,
    source: sample.source,
    replay: sample.replay,
    memoryUsed: sample.memoryUsed,
    memoryReserved: sample.memoryReserved,
    memoryTotal: sample.memoryTotal,
    utilization: sample.utilization,
    memoryUtilization: sample.memoryUtilization,
    temperature: sample.temperature,
    memoryTemperature: sample.memoryTemperature,
    power: sample.power,
    powerLimit: sample.powerLimit,
    fanSpeed: sample.fanSpeed,
    smClock: sample.smClock,
    memoryClock: sample.memoryClock,
    throttleReasons: sample.throttleReasons ?? [],
    eccUncorrected: sample.eccUncorrected,
    processes: sample.processes,
  };
}
