import { CODE, PROCESS, PROCESS_ROOM_BYTES, readU64, type NvmlFunction } from './nvml-abi.js';
import type { NvmlCalls } from './nvml-calls.js';
import { meaningOf } from './nvml-codes.js';
import { BYTES, within } from './quantity.js';
import type { GpuProcess } from './types.js';

const KINDS = ['nvmlDeviceGetComputeRunningProcesses', 'nvmlDeviceGetGraphicsRunningProcesses'] as const;
const FIRST_ROOM = 64;
const MAX_PROCESSES = 4096;

/** Reads which processes hold memory of a GPU, by the newest version of the call that the driver masters. */
export class NvmlProcesses {
  private readonly count = Buffer.alloc(4);
  private entries = Buffer.alloc(FIRST_ROOM * PROCESS_ROOM_BYTES);

  constructor(
    private readonly calls: NvmlCalls,
    private readonly driver: string | null,
  ) {}

  /** A process that computes and draws is one process. */
  read(device: bigint): GpuProcess[] {
    const found = new Map<number, GpuProcess>();
    for (const kind of KINDS)
      for (const { pid, memory } of this.list(kind, device)) {
        const known = found.get(pid);
        if (known === undefined)
          found.set(pid, { pid, memory, name: this.calls.processName(pid), container: null, runtime: false });
        else known.memory ??= memory;
      }
    return [...found.values()];
  }

  private list(kind: (typeof KINDS)[number], device: bigint): Pick<GpuProcess, 'pid' | 'memory'>[] {
    const versions: readonly NvmlFunction[] = [
      ...(misreadsV3(this.driver) ? [] : ([`${kind}_v3`] as const)),
      `${kind}_v2`,
      kind,
    ];
    for (const name of versions) {
      const code = this.fill(name, device);
      if (code === CODE.functionNotFound) continue;
      if (code === CODE.ok) return this.decode(name === kind ? PROCESS.v1Bytes : PROCESS.bytes);
      if (code !== CODE.notSupported) this.calls.note(`${name} answered with ${meaningOf(code)}`);
      return [];
    }
    return [];
  }

  /** Asks again with more room while processes come faster than room is made, within bounds. */
  private fill(name: NvmlFunction, device: bigint): number {
    let code: number = CODE.insufficientSize;
    for (let attempt = 0; attempt < 4 && code === CODE.insufficientSize; attempt++) {
      const room = this.entries.length / PROCESS_ROOM_BYTES;
      this.count.writeUInt32LE(room);
      code = this.code(name, device);
      if (code !== CODE.insufficientSize) break;
      const wanted = Math.min(Math.max(this.count.readUInt32LE() + 16, room * 2), MAX_PROCESSES);
      this.entries = Buffer.alloc(wanted * PROCESS_ROOM_BYTES);
    }
    return code;
  }

  private code(name: NvmlFunction, device: bigint): number {
    return this.calls.code(name, device, this.count, this.entries);
  }

  private decode(stride: number): Pick<GpuProcess, 'pid' | 'memory'>[] {
    const count = Math.min(this.count.readUInt32LE(), this.entries.length / PROCESS_ROOM_BYTES);
    return Array.from({ length: count }, (_, i) => ({
      pid: this.entries.readUInt32LE(i * stride + PROCESS.pid),
      memory: within(readU64(this.entries, i * stride + PROCESS.memory), BYTES),
    }));
  }
}

/** Drivers 535.43 to 535.86 fill version 3 with longer entries than every other driver does. */
export function misreadsV3(driver: string | null): boolean {
  const match = /^535\.(\d+)/.exec(driver ?? '');
  return match !== null && Number(match[1]) >= 43 && Number(match[1]) <= 86;
}
