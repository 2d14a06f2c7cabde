import {
  CLOCK,
  CLOCK_EVENT_REASONS,
  CODE,
  ECC,
  FIELD_MEMORY_TEMPERATURE,
  LibraryError,
  NvmlLibrary,
} from './nvml-abi.js';
import { PCIE, TEMPERATURE_GPU } from './nvml-abi.js';
import { NvmlCalls } from './nvml-calls.js';
import { endingKind, meaningOf, NvmlError } from './nvml-codes.js';
import { NvmlProcesses } from './nvml-processes.js';
import { BYTES, BYTES_PER_SECOND, CELSIUS, COUNT, HERTZ, oneLine, RATIO, WATTS, within } from './quantity.js';
import { UNTOLD, type GpuFailureKind, type GpuSample } from './types.js';

/** What one GPU tells; the parent adds when and by which source. */
export type NvmlGpu = Omit<GpuSample, 'time' | 'source' | 'replay'>;

export type NvmlResult =
  | { state: 'up'; gpus: NvmlGpu[]; notes: string[] }
  | { state: 'none'; reason: string }
  | { state: 'failed'; kind: GpuFailureKind; reason: string };

/** The preset name of the library. */
export const LIBRARY = 'libnvidia-ml.so.1';
/** Every how many cycles the slow calls are made: PCIe throughput is measured over 20 ms for each direction. */
export const SLOW_EVERY = 4;
/** As the most GPUs of one machine; a count beyond it is a defect of the library. */
const MAX_GPUS = 256;

/** Values of the slow beat, kept until the next. */
type Slow = Pick<NvmlGpu, 'pcieTx' | 'pcieRx' | 'powerLimit' | 'migMode'>;

interface Device {
  index: number;
  handle: bigint;
  uuid: string | null;
  name: string | null;
  slow?: Slow;
}

/** What holds from one initialisation to the next. */
interface Session {
  calls: NvmlCalls;
  driver: string | null;
  devices: Device[];
  processes: NvmlProcesses;
  /** GPUs that could not be opened: the next cycle looks for them again. */
  lost: string[];
  cycles: number;
}

/**
 * Reads all GPUs of this machine through NVML. Synchronous: a hanging driver hangs it, so it belongs in a process that
 * can be killed. After a failed cycle NVML is shut down, and initialised anew by the next.
 */
export class NvmlReader {
  private library: NvmlLibrary | undefined;
  private initialised = false;
  private session: Session | undefined;

  constructor(private readonly name: string = LIBRARY) {}

  read(): NvmlResult {
    try {
      const session = (this.session ??= this.open());
      const result = this.readAll(session);
      if (session.lost.length > 0) this.close();
      return result;
    } catch (error) {
      this.close();
      if (error instanceof NvmlError) return { state: 'failed', kind: error.kind, reason: error.message };
      if (!(error instanceof LibraryError)) throw error;
      const said = `${this.name}: ${oneLine(error.message)}`;
      return error.missing
        ? { state: 'none', reason: `the NVML library is not here, so there is no NVIDIA driver (${said})` }
        : { state: 'failed', kind: 'driver', reason: `the NVML library cannot be loaded (${said})` };
    }
  }

  /** Shuts NVML down; a later `read` initialises it again. */
  close(): void {
    if (this.initialised) this.library?.call('nvmlShutdown');
    this.initialised = false;
    this.session = undefined;
  }

  private open(): Session {
    const library = (this.library ??= NvmlLibrary.open(this.name));
    const code = library.call('nvmlInit_v2');
    if (code !== CODE.ok)
      throw new NvmlError(endingKind(code) ?? 'driver', `NVML could not be initialised (${meaningOf(code)})`);
    this.initialised = true;
    const calls = new NvmlCalls(library);
    const count = calls.u32('nvmlDeviceGetCount_v2');
    if (count === null || count > MAX_GPUS)
      throw new NvmlError('error', `NVML does not tell how many GPUs there are (${[...calls.notes].join() || count})`);
    if (count === 0)
      throw new NvmlError(
        'no-devices',
        'NVML runs and names no GPU: the card is missing or fell off the bus (look at dmesg)',
      );
    const driver = calls.driverVersion();
    const processes = new NvmlProcesses(calls, driver);
    const session: Session = { calls, driver, processes, devices: [], lost: [], cycles: 0 };
    for (let index = 0; index < count; index++) this.openDevice(session, index);
    return session;
  }

  /** A GPU that is lost right after an initialisation stays lost: it is left out, and the others are read. */
  private openDevice(session: Session, index: number): void {
    try {
      const { code, device: handle } = session.calls.handle(index);
      if (code !== CODE.ok) {
        session.lost.push(`GPU ${index} (${meaningOf(code)})`);
        return;
      }
      const uuid = session.calls.deviceText('nvmlDeviceGetUUID', handle);
      const name = session.calls.deviceText('nvmlDeviceGetName', handle);
      session.devices.push({ index, handle, uuid, name });
    } catch (error) {
      leaveOut(session, `GPU ${index}`, error);
    }
  }

  private readAll(session: Session): NvmlResult {
    const { calls, devices, lost } = session;
    const fresh = session.cycles === 0;
    const slow = session.cycles % SLOW_EVERY === 0;
    session.cycles++;
    const gpus: NvmlGpu[] = [];
    for (const device of devices) {
      const label = `GPU ${device.index}${device.uuid === null ? '' : ` (${device.uuid})`}`;
      try {
        if (slow) device.slow = readSlow(calls, device.handle);
        const gpu = readFast(session, device);
        if (isSilent(gpu)) lost.push(label);
        else gpus.push(gpu);
      } catch (error) {
        if (!fresh) throw error instanceof NvmlError ? new NvmlError(error.kind, `${label}: ${error.message}`) : error;
        leaveOut(session, label, error);
      }
    }
    if (gpus.length === 0) throw new NvmlError('gpu-lost', `NVML gives no value for ${lost.join(', ')}`);
    const notes = [...lost.map((gpu) => `NVML gives no value for ${gpu}`), ...calls.notes];
    calls.notes.clear();
    return { state: 'up', gpus, notes };
  }
}

function leaveOut(session: Session, label: string, error: unknown): void {
  if (!(error instanceof NvmlError) || error.kind !== 'gpu-lost') throw error;
  session.lost.push(`${label}: ${error.message}`);
}

/** A factor, kept as a quotient so that 57 % is 0.57. */
const scaled = (value: number | null, factor: number, divisor = 1): number | null =>
  value === null ? null : (value * factor) / divisor;

function readFast({ calls, driver, processes }: Session, device: Device): NvmlGpu {
  const { handle, index, uuid, name } = device;
  const memory = calls.memory(handle);
  const memoryUsed = within(memory.used, BYTES);
  const memoryTotal = within(memory.total, BYTES);
  const consistent = memoryUsed !== null && memoryTotal !== null && memoryTotal > 0 && memoryUsed <= memoryTotal;
  const [busy, memoryBusy] = calls.pair('nvmlDeviceGetUtilizationRates', handle) ?? [null, null];
  return {
    ...UNTOLD,
    gpu: String(index),
    uuid,
    name,
    driver,
    memoryUsed,
    memoryReserved: within(memory.reserved, BYTES),
    memoryTotal,
    memoryRatio: consistent ? memoryUsed / memoryTotal : null,
    utilization: within(scaled(busy, 1, 100), RATIO),
    memoryUtilization: within(scaled(memoryBusy, 1, 100), RATIO),
    temperature: within(calls.u32('nvmlDeviceGetTemperature', handle, TEMPERATURE_GPU), CELSIUS),
    memoryTemperature: within(calls.fieldValue(handle, FIELD_MEMORY_TEMPERATURE), CELSIUS),
    power: within(scaled(calls.u32('nvmlDeviceGetPowerUsage', handle), 1, 1000), WATTS),
    energy: scaled(calls.u64('nvmlDeviceGetTotalEnergyConsumption', handle), 1, 1000),
    fanSpeed: within(scaled(calls.u32('nvmlDeviceGetFanSpeed', handle), 1, 100), RATIO),
    smClock: within(scaled(calls.u32('nvmlDeviceGetClockInfo', handle, CLOCK.sm), 1e6), HERTZ),
    memoryClock: within(scaled(calls.u32('nvmlDeviceGetClockInfo', handle, CLOCK.memory), 1e6), HERTZ),
    throttleReasons: throttleReasons(calls, handle),
    eccUncorrected: within(calls.u64('nvmlDeviceGetTotalEccErrors', handle, ECC.uncorrected, ECC.volatile), COUNT),
    ...device.slow!,
    processes: processes.read(handle),
  };
}

function readSlow(calls: NvmlCalls, handle: bigint): Slow {
  // NVML documents KB/s; taken as 1000 bytes.
  const pcie = (direction: number): number | null =>
    within(scaled(calls.u32('nvmlDeviceGetPcieThroughput', handle, direction), 1000), BYTES_PER_SECOND);
  const mig = calls.migMode(handle);
  return {
    pcieTx: pcie(PCIE.tx),
    pcieRx: pcie(PCIE.rx),
    powerLimit: within(scaled(calls.u32('nvmlDeviceGetEnforcedPowerLimit', handle), 1, 1000), WATTS),
    migMode: mig === 1 ? 'enabled' : mig === 0 ? 'disabled' : null,
  };
}

/** Older drivers know the call by its older name. */
function throttleReasons(calls: NvmlCalls, handle: bigint): string[] {
  const mask =
    calls.mask('nvmlDeviceGetCurrentClocksEventReasons', handle) ??
    calls.mask('nvmlDeviceGetCurrentClocksThrottleReasons', handle);
  return mask === null ? [] : CLOCK_EVENT_REASONS.filter(([bit]) => (mask & bit) !== 0n).map(([, name]) => name);
}

/** A lost GPU may still have a handle, with an error in place of every value. */
function isSilent(gpu: NvmlGpu): boolean {
  return [gpu.memoryUsed, gpu.memoryTotal, gpu.utilization, gpu.temperature, gpu.power].every((v) => v === null);
}
