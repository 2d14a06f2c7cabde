import { CODE, NO_INSTANCE, PROCESS, PROCESS_ROOM_BYTES, readU64, type Handle, type NvmlFunction } from './nvml-abi.js';
import type { NvmlCalls } from './nvml-calls.js';
import { meaningOf } from './nvml-codes.js';
import { BYTES, within } from './quantity.js';
import type { GpuProcess } from './types.js';

export type ProcessKind = 'nvmlDeviceGetComputeRunningProcesses' | 'nvmlDeviceGetGraphicsRunningProcesses';
const FIRST_ROOM = 64;
const MAX_PROCESSES = 4096;

/** What NVML says of a process. */
export interface Holder {
  pid: number;
  /** Bytes. */
  memory: number | null;
  /** Number of the GPU instance that it runs in; `null` where there is none. */
  gpuInstance: number | null;
}

/** Reads which processes hold memory of a GPU, by the newest version of the call that the driver masters. */
export class NvmlProcesses {
  private readonly count = Buffer.alloc(4);
  private entries = Buffer.alloc(FIRST_ROOM * PROCESS_ROOM_BYTES);
  /** Names by PID, of this cycle and of the one before: they are asked for once. */
  private names = new Map<number, string | null>();
  private formerNames = this.names;

  constructor(
    private readonly calls: NvmlCalls,
    private readonly driver: string | null,
  ) {}

  /** Forgets the names of processes that have ended; all of them where `anew`, since a program may change its own. */
  beginCycle(anew: boolean): void {
    this.formerNames = anew ? new Map() : this.names;
    this.names = new Map();
  }

  /** A process that computes and draws is one process. */
  name(holders: readonly Holder[]): GpuProcess[] {
    const found = new Map<number, GpuProcess>();
    for (const { pid, memory } of holders) {
      const known = found.get(pid);
      if (known === undefined) found.set(pid, { pid, memory, name: this.nameOf(pid), container: null, runtime: false });
      else known.memory ??= memory;
    }
    return [...found.values()];
  }

  /** @returns `undefined` where this user may ask for the processes of MIG instances only, one by one */
  list(kind: ProcessKind, device: Handle): Holder[] | undefined {
    const versions: readonly NvmlFunction[] = [
      ...(misreadsV3(this.driver) ? [] : ([`${kind}_v3`] as const)),
      `${kind}_v2`,
      kind,
    ];
    for (const name of versions) {
      const code = this.fill(name, device);
      if (code === CODE.functionNotFound) continue;
      if (code === CODE.ok) return this.decode(name === kind);
      if (code === CODE.noPermission) return undefined;
      if (code !== CODE.notSupported) this.calls.note(`${name} answered with ${meaningOf(code)}`);
      return [];
    }
    return [];
  }

  private nameOf(pid: number): string | null {
    let name = this.names.get(pid) ?? this.formerNames.get(pid);
    if (name === undefined) name = this.calls.processName(pid);
    this.names.set(pid, name);
    return name;
  }

  /** Asks again with more room while processes come faster than room is made, within bounds. */
  private fill(name: NvmlFunction, device: Handle): number {
    let code: number = CODE.insufficientSize;
    for (let attempt = 0; attempt < 4 && code === CODE.insufficientSize; attempt++) {
      const room = this.entries.length / PROCESS_ROOM_BYTES;
      this.count.writeUInt32LE(room);
      code = this.calls.code(name, device, this.count, this.entries);
      if (code !== CODE.insufficientSize) break;
      const wanted = Math.min(Math.max(this.count.readUInt32LE() + 16, room * 2), MAX_PROCESSES);
      this.entries = Buffer.alloc(wanted * PROCESS_ROOM_BYTES);
    }
    return code;
  }

  private decode(first: boolean): Holder[] {
    const stride = first ? PROCESS.v1Bytes : PROCESS.bytes;
    const count = Math.min(this.count.readUInt32LE(), this.entries.length / PROCESS_ROOM_BYTES);
    return Array.from({ length: count }, (_, i) => {
      const at = i * stride;
      const gpuInstance = first ? NO_INSTANCE : this.entries.readUInt32LE(at + PROCESS.gpuInstance);
      return {
        pid: this.entries.readUInt32LE(at + PROCESS.pid),
        memory: within(readU64(this.entries, at + PROCESS.memory), BYTES),
        gpuInstance: gpuInstance === NO_INSTANCE ? null : gpuInstance,
      };
    });
  }
}

/** Drivers 535.43 to 535.86 fill version 3 with longer entries than every other driver does. */
export function misreadsV3(driver: string | null): boolean {
  const match = /^535\.(\d+)/.exec(driver ?? '');
  return match !== null && Number(match[1]) >= 43 && Number(match[1]) <= 86;
}
