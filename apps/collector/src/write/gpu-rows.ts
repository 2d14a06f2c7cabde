import type { GpuEvent, GpuSample } from '@vigil/gpu';
import type { GpuEventRow, GpuSampleRow } from '@vigil/store';

/** The row of one reading of one GPU. */
export function toGpuRow(sample: GpuSample, node: string): GpuSampleRow {
  return {
    time: sample.time,
    node,
    gpu: sample.gpu,
    uuid: sample.uuid,
    name: sample.name,
    migProfile: sample.migProfile,
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
    temperatureMargin: sample.temperatureMargin,
    power: sample.power,
    powerLimit: sample.powerLimit,
    energy: sample.energy,
    fanSpeed: sample.fanSpeed,
    smClock: sample.smClock,
    memoryClock: sample.memoryClock,
    graphicsClock: sample.graphicsClock,
    videoClock: sample.videoClock,
    throttleReasons: sample.throttleReasons ?? [],
    eccCorrected: sample.eccCorrected,
    eccUncorrected: sample.eccUncorrected,
    remappedCorrected: sample.remappedCorrected,
    remappedUncorrected: sample.remappedUncorrected,
    remapPending: sample.remapPending,
    remapFailed: sample.remapFailed,
    recoveryAction: sample.recoveryAction,
    pcieTx: sample.pcieTx,
    pcieRx: sample.pcieRx,
    pcieReplays: sample.pcieReplays,
    nvlinkTx: sample.nvlinkTx,
    nvlinkRx: sample.nvlinkRx,
    nvlinkErrors: sample.nvlinkErrors,
    migMode: sample.migMode,
    processes: sample.processes,
  };
}

/** The row of one event of a GPU. */
export function toEventRow(event: GpuEvent, node: string): GpuEventRow {
  const { time, gpu, uuid, replay, kind, code, class: severity, meaning, source, message } = event;
  return { time, node, gpu, uuid, replay, kind, code, class: severity, meaning, source, message };
}
