import { CODE, type Handle, type NvmlLibrary } from './nvml-abi.js';
import { NvmlCalls } from './nvml-calls.js';
import { meaningOf, NvmlError } from './nvml-codes.js';
import { DeviceReader, isSilent, type NvmlGpu, type Slow } from './nvml-device.js';
import { NvmlEvents, type XidEvent } from './nvml-events.js';
import { isAlive, listInstances, type Instance } from './nvml-mig.js';
import { PcieCounters } from './nvml-pcie.js';
import { NvmlProcesses, type Holder, type ProcessKind } from './nvml-processes.js';
import { UNTOLD } from './types.js';

/** As the most GPUs of one machine; a count beyond it is a defect of the library. */
const MAX_GPUS = 256;

/** An XID of a GPU or of a GPU instance, as `gpu` and `uuid` of a sample. */
export interface NvmlXid {
  gpu: string | null;
  uuid: string | null;
  code: number | null;
}

/** What a GPU told at the slow beat. */
interface Kept {
  slow?: Slow;
  /** Remarks on it, which hold until the next. */
  notes: string[];
  mig: NvmlGpu['migMode'];
  /** Of a GPU in MIG mode; `undefined` until they are looked for. */
  instances?: Instance[];
  drawing: Holder[];
  pcie: PcieCounters;
}

interface Device {
  index: number;
  handle: Handle;
  uuid: string | null;
  name: string | null;
  kept: Kept;
}

/** NVML from one initialisation to the next. Every method but `close` throws NvmlError where the session must end. */
export class NvmlSession {
  /** GPUs that could not be opened or have fallen silent. */
  readonly lost: string[] = [];
  /** GPUs that NVML named when the session began. */
  readonly count: number;
  private readonly calls: NvmlCalls;
  private readonly devices: Device[] = [];
  private readonly reader: DeviceReader;
  private readonly processes: NvmlProcesses;
  private readonly events: NvmlEvents | undefined;
  private readonly driver: string | null;
  private fresh = true;

  /** @param former what an earlier session was told of the same GPUs */
  constructor(library: NvmlLibrary, former?: NvmlSession) {
    const calls = (this.calls = new NvmlCalls(library));
    const count = calls.u32('nvmlDeviceGetCount_v2');
    if (count === null || count > MAX_GPUS)
      throw new NvmlError('error', `NVML does not tell how many GPUs there are (${[...calls.notes].join() || count})`);
    if (count === 0)
      throw new NvmlError(
        'no-devices',
        'NVML runs and names no GPU: the card is missing or fell off the bus (look at dmesg)',
      );
    this.count = count;
    this.driver = calls.driverVersion();
    this.processes = new NvmlProcesses(calls, this.driver);
    this.reader = new DeviceReader(calls);
    this.events = NvmlEvents.open(calls);
    for (let index = 0; index < count; index++) this.openDevice(index, former);
  }

  /** Whether NVML still names as many GPUs. */
  isCurrent(): boolean {
    return this.calls.u32('nvmlDeviceGetCount_v2') === this.count;
  }

  /** What happened since the last time. Each event is handed on at once: a later call may end the session. */
  drain(take: (event: NvmlXid) => void): void {
    this.events?.drain((event) => take(this.locate(event)));
  }

  /** @param slow whether what rarely changes is asked for, too */
  read(slow: boolean): { gpus: NvmlGpu[]; notes: string[] } {
    const { calls, lost } = this;
    const gpus: NvmlGpu[] = [];
    const notes = new Set(this.takeNotes());
    this.processes.beginCycle(slow);
    for (const device of this.devices) {
      const label = `GPU ${device.index}${device.uuid === null ? '' : ` (${device.uuid})`}`;
      try {
        gpus.push(...this.readDevice(device, slow));
      } catch (error) {
        if (!this.fresh)
          throw error instanceof NvmlError ? new NvmlError(error.kind, `${label}: ${error.message}`) : error;
        this.leaveOut(label, error);
      }
      for (const note of [...device.kept.notes, ...this.takeNotes()]) notes.add(note);
    }
    calls.notes.clear();
    this.fresh = false;
    if (gpus.length === 0) throw new NvmlError('gpu-lost', `NVML gives no value for ${lost.join(', ')}`);
    return { gpus, notes: [...lost.map((gpu) => `NVML gives no value for ${gpu}`), ...notes] };
  }

  close(): void {
    this.events?.close();
  }

  /** A GPU that is lost right after an initialisation stays lost: it is left out, and the others are read. */
  private openDevice(index: number, former: NvmlSession | undefined): void {
    try {
      const { code, device: handle } = this.calls.handle(index);
      if (code !== CODE.ok) {
        this.lost.push(`GPU ${index} (${meaningOf(code)})`);
        return;
      }
      const uuid = this.calls.deviceText('nvmlDeviceGetUUID', handle);
      const name = this.calls.deviceText('nvmlDeviceGetName', handle);
      this.events?.register(handle);
      const known = uuid === null ? undefined : former?.devices.find((device) => device.uuid === uuid);
      const kept = known?.kept ?? { notes: [], mig: null, drawing: [], pcie: new PcieCounters() };
      // Handles do not outlive a session.
      this.devices.push({ index, handle, uuid, name, kept: { ...kept, instances: undefined } });
    } catch (error) {
      this.leaveOut(`GPU ${index}`, error);
    }
  }

  private leaveOut(label: string, error: unknown): void {
    if (!(error instanceof NvmlError) || error.kind !== 'gpu-lost') throw error;
    this.lost.push(`${label}: ${error.message}`);
  }

  /** The GPU, and each of its GPU instances. */
  private readDevice(device: Device, slowBeat: boolean): NvmlGpu[] {
    const { handle, index, uuid, name, kept } = device;
    const slow = slowBeat || kept.slow === undefined ? this.readSlow(device) : kept.slow;
    const identity = { gpu: String(index), uuid, name, migProfile: null, driver: this.driver, migMode: kept.mig };
    const whole = this.reader.readFast(handle, identity, slow);
    if (isSilent(whole)) {
      this.lost.push(`GPU ${index}${uuid === null ? '' : ` (${uuid})`}`);
      return [];
    }
    if (kept.mig === 'enabled' && !this.instancesLive(kept)) kept.instances = listInstances(this.calls, handle);
    const holders = [...this.holders('nvmlDeviceGetComputeRunningProcesses', device), ...kept.drawing];
    const parts = (kept.instances ?? []).flatMap((instance) => this.readInstance(whole, instance, holders));
    return [{ ...whole, processes: this.processes.name(holders) }, ...parts];
  }

  private readSlow(device: Device): Slow {
    const { handle, kept } = device;
    const before = this.takeNotes();
    kept.slow = this.reader.readSlow(handle, kept.pcie, () => performance.now() / 1000);
    const mig = this.calls.migMode(handle);
    kept.mig = mig === 1 ? 'enabled' : mig === 0 ? 'disabled' : null;
    kept.instances = kept.mig === 'enabled' ? listInstances(this.calls, handle) : undefined;
    kept.drawing = this.holders('nvmlDeviceGetGraphicsRunningProcesses', device);
    kept.notes = this.takeNotes();
    for (const note of before) this.calls.note(note);
    return kept.slow;
  }

  private instancesLive({ instances }: Kept): boolean {
    return instances?.every((instance) => isAlive(this.calls, instance)) ?? false;
  }

  /** The processes of all instances may be asked for by administrators only; anybody may ask each instance. */
  private holders(kind: ProcessKind, { handle, kept }: Device): Holder[] {
    const all = this.processes.list(kind, handle);
    if (all !== undefined) return all;
    if (kept.instances === undefined || kept.instances.length === 0) {
      this.calls.note(`${kind} answered with ${meaningOf(CODE.noPermission)}`);
      return [];
    }
    return kept.instances.flatMap(({ gpuInstance, handles }) =>
      handles.flatMap((part) =>
        (this.unlessGone(() => this.processes.list(kind, part)) ?? []).map((holder) =>
          Object.assign(holder, { gpuInstance }),
        ),
      ),
    );
  }

  private readInstance(
    whole: Omit<NvmlGpu, 'processes'>,
    { gpuInstance, handles, uuid, name, profile }: Instance,
    holders: readonly Holder[],
  ): NvmlGpu[] {
    const memory = this.unlessGone(() => this.reader.readMemory(handles[0]!));
    // It went between two calls.
    if (memory === undefined || memory.memoryTotal === null) return [];
    return [
      {
        ...NOTHING,
        ...memory,
        gpu: `${whole.gpu}/${gpuInstance}`,
        uuid,
        name: name ?? whole.name,
        migProfile: profile,
        driver: whole.driver,
        migMode: whole.migMode,
        processes: this.processes.name(holders.filter((holder) => holder.gpuInstance === gpuInstance)),
      },
    ];
  }

  /** A lost instance is no lost GPU. */
  private unlessGone<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (error instanceof NvmlError) return undefined;
      throw error;
    }
  }

  private locate({ device: handle, gpuInstance, code }: XidEvent): NvmlXid {
    const device = this.devices.find((known) => known.handle === handle);
    if (device === undefined) return { gpu: null, uuid: null, code };
    if (gpuInstance === null) return { gpu: String(device.index), uuid: device.uuid, code };
    const instance = device.kept.instances?.find((known) => known.gpuInstance === gpuInstance);
    return { gpu: `${device.index}/${gpuInstance}`, uuid: instance?.uuid ?? null, code };
  }

  private takeNotes(): string[] {
    const notes = [...this.calls.notes];
    this.calls.notes.clear();
    return notes;
  }
}

/** What only a whole GPU tells: an instance shares its chip, its power and its connections with the others. */
const NOTHING = {
  ...UNTOLD,
  utilization: null,
  memoryUtilization: null,
  temperature: null,
  memoryTemperature: null,
  power: null,
  powerLimit: null,
  energy: null,
  fanSpeed: null,
  smClock: null,
  memoryClock: null,
  throttleReasons: null,
  eccUncorrected: null,
  pcieTx: null,
  pcieRx: null,
} as const satisfies Partial<NvmlGpu>;
