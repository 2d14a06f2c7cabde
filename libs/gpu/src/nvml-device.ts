import { ALL_LINKS, CLOCK, CLOCK_EVENT_REASONS, ECC, FIELD, PCIE, TEMPERATURE_GPU } from './nvml-abi.js';
import { TEMPERATURE_SLOWDOWN, type Handle } from './nvml-abi.js';
import type { NvmlCalls } from './nvml-calls.js';
import { NvmlFields } from './nvml-fields.js';
import { PcieCounters } from './nvml-pcie.js';
import { BYTES, BYTES_PER_SECOND, CELSIUS, COUNT, HERTZ, MARGIN, RATIO, WATTS, within } from './quantity.js';
import { RECOVERY_ACTIONS, type GpuSample } from './types.js';

/** What one GPU tells; the parent adds when and by which source. */
export type NvmlGpu = Omit<GpuSample, 'time' | 'source' | 'replay'>;
type Identity = Pick<NvmlGpu, 'gpu' | 'uuid' | 'name' | 'migProfile' | 'driver' | 'migMode'>;

const SLOW_FIELDS = Object.values(FIELD)
  .filter((id) => id !== FIELD.memoryTemperature)
  .map((id) => [id, id === FIELD.nvlinkTx || id === FIELD.nvlinkRx ? ALL_LINKS : 0] as const);

/** Values of the slow beat, kept until the next. */
export type Slow = ReturnType<DeviceReader['readSlow']>;

/** Reads all values of one GPU but its processes. It serves every GPU of a session. */
export class DeviceReader {
  private readonly fastFields: NvmlFields;
  private readonly slowFields: NvmlFields;

  constructor(private readonly calls: NvmlCalls) {
    this.fastFields = new NvmlFields(calls, [[FIELD.memoryTemperature, 0]]);
    this.slowFields = new NvmlFields(calls, SLOW_FIELDS);
  }

  /** What changes from one second to the next. */
  readFast(handle: Handle, identity: Identity, slow: Slow): Omit<NvmlGpu, 'processes'> {
    const { calls, fastFields } = this;
    const [busy, memoryBusy] = calls.pair('nvmlDeviceGetUtilizationRates', handle) ?? [null, null];
    const temperature = within(calls.u32('nvmlDeviceGetTemperature', handle, TEMPERATURE_GPU), CELSIUS);
    const { margin, slowdown, ...kept } = slow;
    fastFields.read(handle);
    return {
      ...identity,
      ...this.readMemory(handle),
      utilization: within(scaled(busy, 1, 100), RATIO),
      memoryUtilization: within(scaled(memoryBusy, 1, 100), RATIO),
      temperature,
      memoryTemperature: within(fastFields.value(FIELD.memoryTemperature), CELSIUS),
      temperatureMargin: margin ?? (slowdown === null || temperature === null ? null : slowdown - temperature),
      power: within(scaled(calls.u32('nvmlDeviceGetPowerUsage', handle), 1, 1000), WATTS),
      energy: scaled(calls.u64('nvmlDeviceGetTotalEnergyConsumption', handle), 1, 1000),
      smClock: this.clock(handle, CLOCK.sm),
      throttleReasons: this.throttleReasons(handle),
      ...kept,
    };
  }

  /** What is slow to ask for, or changes rarely. @param now seconds of a clock that never jumps */
  readSlow(handle: Handle, pcie: PcieCounters, now: () => number) {
    const { calls, slowFields } = this;
    slowFields.read(handle);
    const count = (id: number): number | null => within(slowFields.value(id), COUNT);
    // NVML counts in KiB.
    const kibibytes = (id: number): number | null => within(scaled(slowFields.value(id), 1024), BYTES);
    const fields = {
      pcieReplays: count(FIELD.pcieReplays) ?? calls.u32('nvmlDeviceGetPcieReplayCounter', handle),
      nvlinkTx: kibibytes(FIELD.nvlinkTx),
      nvlinkRx: kibibytes(FIELD.nvlinkRx),
      nvlinkErrors: sum(
        [FIELD.nvlinkFlitErrors, FIELD.nvlinkDataErrors, FIELD.nvlinkReplays, FIELD.nvlinkRecoveries].map(count),
      ),
      recoveryAction: this.recoveryAction(count(FIELD.recoveryAction)),
      ...this.readRemapped(handle, count),
      ...this.readPcie(handle, pcie, now),
    };
    const margin = within(calls.marginTemperature(handle), MARGIN);
    return {
      ...fields,
      margin,
      /** The temperature at which the clocks fall, where the margin is not told. */
      slowdown:
        margin === null
          ? within(calls.u32('nvmlDeviceGetTemperatureThreshold', handle, TEMPERATURE_SLOWDOWN), CELSIUS)
          : null,
      powerLimit: within(scaled(calls.u32('nvmlDeviceGetEnforcedPowerLimit', handle), 1, 1000), WATTS),
      fanSpeed: within(scaled(calls.u32('nvmlDeviceGetFanSpeed', handle), 1, 100), RATIO),
      memoryClock: this.clock(handle, CLOCK.memory),
      graphicsClock: this.clock(handle, CLOCK.graphics),
      videoClock: this.clock(handle, CLOCK.video),
      eccCorrected: this.ecc(handle, ECC.corrected),
      eccUncorrected: this.ecc(handle, ECC.uncorrected),
    };
  }

  /** A GPU, or an instance of one. */
  readMemory(handle: Handle): Pick<NvmlGpu, 'memoryUsed' | 'memoryReserved' | 'memoryTotal' | 'memoryRatio'> {
    const memory = this.calls.memory(handle);
    const memoryUsed = within(memory.used, BYTES);
    const memoryTotal = within(memory.total, BYTES);
    const consistent = memoryUsed !== null && memoryTotal !== null && memoryTotal > 0 && memoryUsed <= memoryTotal;
    return {
      memoryUsed,
      memoryReserved: within(memory.reserved, BYTES),
      memoryTotal,
      memoryRatio: consistent ? memoryUsed / memoryTotal : null,
    };
  }

  private clock(handle: Handle, domain: number): number | null {
    return within(scaled(this.calls.u32('nvmlDeviceGetClockInfo', handle, domain), 1e6), HERTZ);
  }

  private ecc(handle: Handle, kind: number): number | null {
    return within(this.calls.u64('nvmlDeviceGetTotalEccErrors', handle, kind, ECC.volatile), COUNT);
  }

  /** Older drivers know the call by its older name. */
  private throttleReasons(handle: Handle): string[] | null {
    const mask =
      this.calls.mask('nvmlDeviceGetCurrentClocksEventReasons', handle) ??
      this.calls.mask('nvmlDeviceGetCurrentClocksThrottleReasons', handle);
    return mask === null ? null : CLOCK_EVENT_REASONS.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name);
  }

  private recoveryAction(value: number | null): NvmlGpu['recoveryAction'] {
    if (value === null) return null;
    const action = RECOVERY_ACTIONS[value];
    if (action === undefined) this.calls.note(`the driver asks for recovery action ${value}, which is not known here`);
    return action ?? null;
  }

  private readRemapped(handle: Handle, count: (id: number) => number | null) {
    const corrected = count(FIELD.remappedCorrected);
    const rows = corrected === null ? this.calls.remappedRows(handle) : null;
    const flag = (id: number): boolean | null => {
      const value = count(id);
      return value === null ? null : value !== 0;
    };
    return {
      remappedCorrected: rows?.corrected ?? corrected,
      remappedUncorrected: rows?.uncorrected ?? count(FIELD.remappedUncorrected),
      remapPending: rows?.pending ?? flag(FIELD.remapPending),
      remapFailed: rows?.failed ?? flag(FIELD.remapFailed),
    };
  }

  /** From the byte counters; where they are of no use by NVML's own measurement, 20 ms for each direction. */
  private readPcie(handle: Handle, pcie: PcieCounters, now: () => number): Pick<NvmlGpu, 'pcieTx' | 'pcieRx'> {
    const at = now();
    const read = (id: number) => {
      const bytes = within(this.slowFields.value(id), COUNT);
      return bytes === null ? null : { bytes, type: this.slowFields.type(id), at };
    };
    const rates = pcie.rates(read(FIELD.pcieTx), read(FIELD.pcieRx));
    if (rates !== undefined)
      return { pcieTx: within(rates.tx, BYTES_PER_SECOND), pcieRx: within(rates.rx, BYTES_PER_SECOND) };
    // NVML documents KB/s; taken as 1000 bytes.
    const measured = (direction: number): number | null =>
      within(scaled(this.calls.u32('nvmlDeviceGetPcieThroughput', handle, direction), 1000), BYTES_PER_SECOND);
    return { pcieTx: measured(PCIE.tx), pcieRx: measured(PCIE.rx) };
  }
}

/** A factor, kept as a quotient so that 57 % is 0.57. */
const scaled = (value: number | null, factor: number, divisor = 1): number | null =>
  value === null ? null : (value * factor) / divisor;

/** Of those that are told; `null` where none is. */
function sum(values: readonly (number | null)[]): number | null {
  const told = values.filter((value) => value !== null);
  return told.length === 0 ? null : told.reduce((total, value) => total + value, 0);
}

/** A lost GPU may still have a handle, with an error in place of every value. */
export function isSilent(gpu: Omit<NvmlGpu, 'processes'>): boolean {
  return [gpu.memoryUsed, gpu.memoryTotal, gpu.utilization, gpu.temperature, gpu.power].every((v) => v === null);
}
