import { CODE, MARGIN_TEMPERATURE, MEMORY_V1, MEMORY_V2, TEXT_BYTES } from './nvml-abi.js';
import { readHandle, readText, readU64, type Handle } from './nvml-abi.js';
import type { NvmlArgument, NvmlFunction, NvmlLibrary } from './nvml-abi.js';
import { endingKind, meaningOf, NvmlError } from './nvml-codes.js';
import { MAX_TEXT } from './quantity.js';

/** Codes that say that a device or library has no such value. */
export const ABSENT: ReadonlySet<number> = new Set([CODE.notSupported, CODE.functionNotFound, CODE.deprecated]);
/** Remarks on one cycle; sixteen lost GPUs must not fill the log. */
const MAX_NOTES = 20;

/** In bytes. */
export interface Memory {
  used: number | null;
  reserved: number | null;
  total: number | null;
}

export interface RemappedRows {
  corrected: number;
  uncorrected: number;
  pending: boolean;
  failed: boolean;
}

/**
 * Calls of NVML with their values read: `null` for whatever the device does not tell.
 * Every method throws NvmlError on a code that ends the cycle.
 */
export class NvmlCalls {
  /** What went wrong with single values. */
  readonly notes = new Set<string>();
  /** Calls are synchronous and one at a time, so they share their buffers. */
  private readonly words = [Buffer.alloc(8), Buffer.alloc(8), Buffer.alloc(8), Buffer.alloc(8)] as const;
  private readonly word = this.words[0];
  private readonly text = Buffer.alloc(TEXT_BYTES);
  private readonly path = Buffer.alloc(1024);
  private readonly memory2 = Buffer.alloc(MEMORY_V2.bytes);
  private readonly memory1 = Buffer.alloc(MEMORY_V1.bytes);

  constructor(private readonly library: NvmlLibrary) {}

  /** The code of a call, whatever it is: for what may end without the cycle's end. */
  rawCode(name: NvmlFunction, ...args: NvmlArgument[]): number {
    return this.library.call(name, ...args);
  }

  /** The code of a call that does not end the cycle. */
  code(name: NvmlFunction, ...args: NvmlArgument[]): number {
    const code = this.library.call(name, ...args);
    if (code !== CODE.ok) throwIfEnding(name, code);
    return code;
  }

  /** Whether a call gave its value; a failure that is no lack of support leaves a note. */
  gives(name: NvmlFunction, ...args: NvmlArgument[]): boolean {
    const code = this.code(name, ...args);
    if (code !== CODE.ok && !ABSENT.has(code)) this.note(`${name} answered with ${meaningOf(code)}`);
    return code === CODE.ok;
  }

  note(text: string): void {
    if (this.notes.size < MAX_NOTES) this.notes.add(text);
  }

  /** A call whose last parameter takes an unsigned 32-bit value. */
  u32(name: NvmlFunction, ...args: (number | bigint)[]): number | null {
    return this.gives(name, ...args, this.word) ? this.word.readUInt32LE() : null;
  }

  /** The same with two of them in one structure. */
  pair(name: NvmlFunction, device: Handle): [number, number] | null {
    return this.gives(name, device, this.word) ? [this.word.readUInt32LE(0), this.word.readUInt32LE(4)] : null;
  }

  u64(name: NvmlFunction, ...args: (number | bigint)[]): number | null {
    return this.gives(name, ...args, this.word) ? readU64(this.word) : null;
  }

  /** The lower 32 bits of a mask; NVML has given a meaning to nine of them. */
  mask(name: NvmlFunction, device: Handle): number | null {
    return this.gives(name, device, this.word) ? this.word.readUInt32LE() : null;
  }

  driverVersion(): string | null {
    return this.gives('nvmlSystemGetDriverVersion', this.text, TEXT_BYTES) ? readText(this.text, MAX_TEXT) : null;
  }

  deviceText(name: 'nvmlDeviceGetUUID' | 'nvmlDeviceGetName', device: Handle): string | null {
    return this.gives(name, device, this.text, TEXT_BYTES) ? readText(this.text, MAX_TEXT) : null;
  }

  /** Name of a process, which may have ended since or live in another PID namespace: no failure is worth a note. */
  processName(pid: number): string | null {
    const code = this.code('nvmlSystemGetProcessName', pid, this.path, this.path.length);
    return code === CODE.ok ? readText(this.path, MAX_TEXT) : null;
  }

  /** The first version counts the reserved part as used and does not tell it. */
  memory(device: Handle): Memory {
    this.memory2.writeUInt32LE(MEMORY_V2.version);
    const code = this.code('nvmlDeviceGetMemoryInfo_v2', device, this.memory2);
    if (code === CODE.ok) {
      const at = (offset: number) => readU64(this.memory2, offset);
      return { used: at(MEMORY_V2.used), reserved: at(MEMORY_V2.reserved), total: at(MEMORY_V2.total) };
    }
    // A failure of another kind must not turn one definition of "used" into the other from one reading to the next.
    const old = ABSENT.has(code) || code === CODE.versionMismatch;
    if (!old) this.note(`nvmlDeviceGetMemoryInfo_v2 answered with ${meaningOf(code)}`);
    if (!old || !this.gives('nvmlDeviceGetMemoryInfo', device, this.memory1))
      return { used: null, reserved: null, total: null };
    return {
      used: readU64(this.memory1, MEMORY_V1.used),
      reserved: null,
      total: readU64(this.memory1, MEMORY_V1.total),
    };
  }

  /** °C to the nearest threshold at which clocks fall; `null` where the driver is older than the call (570). */
  marginTemperature(device: Handle): number | null {
    this.word.writeUInt32LE(MARGIN_TEMPERATURE.version);
    const code = this.code('nvmlDeviceGetMarginTemperature', device, this.word);
    if (code === CODE.ok) return this.word.readInt32LE(MARGIN_TEMPERATURE.margin);
    if (!ABSENT.has(code) && code !== CODE.versionMismatch)
      this.note(`nvmlDeviceGetMarginTemperature answered with ${meaningOf(code)}`);
    return null;
  }

  remappedRows(device: Handle): RemappedRows | null {
    if (!this.gives('nvmlDeviceGetRemappedRows', device, ...this.words)) return null;
    const [corrected, uncorrected, pending, failed] = this.words;
    return {
      corrected: corrected.readUInt32LE(),
      uncorrected: uncorrected.readUInt32LE(),
      pending: pending.readUInt32LE() !== 0,
      failed: failed.readUInt32LE() !== 0,
    };
  }

  migMode(device: Handle): number | null {
    return this.gives('nvmlDeviceGetMigMode', device, this.word, this.words[1]) ? this.word.readUInt32LE() : null;
  }

  handle(index: number): { code: number; device: Handle } {
    const code = this.code('nvmlDeviceGetHandleByIndex_v2', index, this.word);
    return { code, device: readHandle(this.word) };
  }
}

/** @throws NvmlError for a code after which nothing that NVML says can be relied on */
export function throwIfEnding(name: NvmlFunction, code: number): void {
  const kind = endingKind(code);
  if (kind !== undefined) throw new NvmlError(kind, `${name} answered with ${meaningOf(code)}`);
}
