/*
 * The binary interface of libnvidia-ml as nvml.h declares it, on 64-bit little-endian machines. `nvmlReturn_t` is an
 * int, `nvmlDevice_t` an opaque pointer that is passed by value. Whatever the library fills in is a Buffer read at the
 * offsets below: nothing is converted on the way, and a 64-bit value is always read by `readU64`.
 */
import koffi from 'koffi';

const DEVICE = 'uintptr_t';
const U32 = 'uint32_t';
const OUT = 'void *';

/** Parameters by function. Each is bound when it is first called: a library that lacks one still serves the others. */
const PARAMETERS = {
  nvmlInit_v2: [],
  nvmlShutdown: [],
  nvmlSystemGetDriverVersion: [OUT, U32],
  nvmlSystemGetProcessName: [U32, OUT, U32],
  nvmlDeviceGetCount_v2: [OUT],
  nvmlDeviceGetHandleByIndex_v2: [U32, OUT],
  nvmlDeviceGetUUID: [DEVICE, OUT, U32],
  nvmlDeviceGetName: [DEVICE, OUT, U32],
  nvmlDeviceGetMemoryInfo_v2: [DEVICE, OUT],
  nvmlDeviceGetMemoryInfo: [DEVICE, OUT],
  nvmlDeviceGetUtilizationRates: [DEVICE, OUT],
  nvmlDeviceGetTemperature: [DEVICE, U32, OUT],
  nvmlDeviceGetPowerUsage: [DEVICE, OUT],
  nvmlDeviceGetEnforcedPowerLimit: [DEVICE, OUT],
  nvmlDeviceGetTotalEnergyConsumption: [DEVICE, OUT],
  nvmlDeviceGetClockInfo: [DEVICE, U32, OUT],
  nvmlDeviceGetCurrentClocksEventReasons: [DEVICE, OUT],
  nvmlDeviceGetCurrentClocksThrottleReasons: [DEVICE, OUT],
  nvmlDeviceGetTotalEccErrors: [DEVICE, U32, U32, OUT],
  nvmlDeviceGetPcieThroughput: [DEVICE, U32, OUT],
  nvmlDeviceGetFanSpeed: [DEVICE, OUT],
  nvmlDeviceGetFieldValues: [DEVICE, 'int', OUT],
  nvmlDeviceGetMigMode: [DEVICE, OUT, OUT],
  nvmlDeviceGetComputeRunningProcesses_v3: [DEVICE, OUT, OUT],
  nvmlDeviceGetComputeRunningProcesses_v2: [DEVICE, OUT, OUT],
  nvmlDeviceGetComputeRunningProcesses: [DEVICE, OUT, OUT],
  nvmlDeviceGetGraphicsRunningProcesses_v3: [DEVICE, OUT, OUT],
  nvmlDeviceGetGraphicsRunningProcesses_v2: [DEVICE, OUT, OUT],
  nvmlDeviceGetGraphicsRunningProcesses: [DEVICE, OUT, OUT],
} as const satisfies Record<string, readonly string[]>;

export type NvmlFunction = keyof typeof PARAMETERS;

/** The parameters of `nvmlDeviceGetMemoryInfo_v2`: 40 bytes, whose first four the caller sets. */
export const MEMORY_V2 = { bytes: 40, version: 0x2000028, total: 8, reserved: 16, free: 24, used: 32 } as const;
/** `used` counts what the driver reserves. */
export const MEMORY_V1 = { bytes: 24, total: 0, free: 8, used: 16 } as const;
export const FIELD_VALUE = { bytes: 40, id: 0, type: 24, status: 28, value: 32 } as const;
/** Entries of `…RunningProcesses`; the first version is shorter than the later ones. */
export const PROCESS = { v1Bytes: 16, bytes: 24, pid: 0, memory: 8 } as const;
/** Room for each entry: some drivers (535.43 to 535.86) write longer ones than they should. */
export const PROCESS_ROOM_BYTES = 40;
/** Room for a name, UUID or version. */
export const TEXT_BYTES = 96;

export const TEMPERATURE_GPU = 0;
export const CLOCK = { sm: 1, memory: 2 } as const;
export const ECC = { uncorrected: 1, volatile: 0 } as const;
export const PCIE = { tx: 0, rx: 1 } as const;
export const FIELD_MEMORY_TEMPERATURE = 82;

/** Bits of the clock event reasons other than idle (0x1), by the names that nvidia-smi gives them. */
export const CLOCK_EVENT_REASONS: readonly (readonly [bit: bigint, name: string])[] = [
  [0x2n, 'applications_clocks_setting'],
  [0x4n, 'sw_power_cap'],
  [0x8n, 'hw_slowdown'],
  [0x10n, 'sync_boost'],
  [0x20n, 'sw_thermal_slowdown'],
  [0x40n, 'hw_thermal_slowdown'],
  [0x80n, 'hw_power_brake_slowdown'],
  [0x100n, 'display_clocks_setting'],
];

/** `nvmlReturn_t`, as far as it decides something here. */
export const CODE = { ok: 0, notSupported: 3, insufficientSize: 7, functionNotFound: 13, versionMismatch: 25 } as const;

/** The library cannot be opened at all. */
export class LibraryError extends Error {
  constructor(
    message: string,
    readonly missing: boolean,
  ) {
    super(message);
  }
}

type BoundFunction = ReturnType<ReturnType<typeof koffi.load>['func']>;

/** One opened libnvidia-ml. */
export class NvmlLibrary {
  private readonly bound = new Map<NvmlFunction, BoundFunction | undefined>();

  private constructor(private readonly handle: ReturnType<typeof koffi.load>) {}

  /** @throws LibraryError */
  static open(name: string): NvmlLibrary {
    try {
      return new NvmlLibrary(koffi.load(name));
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      throw new LibraryError(said, /no such file|not found/i.test(said));
    }
  }

  /** @returns `nvmlReturn_t`; that of a function not found where the library lacks this one */
  call(name: NvmlFunction, ...args: (number | bigint | Buffer)[]): number {
    if (!this.bound.has(name)) this.bound.set(name, this.bind(name));
    const bound = this.bound.get(name);
    return bound === undefined ? CODE.functionNotFound : (bound(...args) as number);
  }

  private bind(name: NvmlFunction): BoundFunction | undefined {
    try {
      return this.handle.func(name, 'int', [...PARAMETERS[name]]);
    } catch {
      return undefined;
    }
  }
}

/** An unsigned 64-bit value; `null` where it is not a whole number in JavaScript, as is 2^64 - 1 (unknown). */
export function readU64(buffer: Buffer, offset = 0): number | null {
  const value = Number(buffer.readBigUInt64LE(offset));
  return Number.isSafeInteger(value) ? value : null;
}

/** Text up to its first zero byte; `null` for none. */
export function readText(buffer: Buffer, max: number): string | null {
  const end = buffer.indexOf(0);
  const text = buffer.toString('utf8', 0, end === -1 ? buffer.length : end).trim();
  return text === '' ? null : text.slice(0, max);
}

/** The number of an `nvmlFieldValue_t`; `null` for a failed one and for an unknown type. */
export function readFieldValue(buffer: Buffer): number | null {
  const { type, status, value } = FIELD_VALUE;
  if (buffer.readInt32LE(status) !== CODE.ok) return null;
  switch (buffer.readInt32LE(type)) {
    case 0:
      return buffer.readDoubleLE(value);
    case 1:
      return buffer.readUInt32LE(value);
    case 2:
    case 3:
      return readU64(buffer, value);
    case 4:
      return Number(buffer.readBigInt64LE(value));
    case 5:
      return buffer.readInt32LE(value);
    default:
      return null;
  }
}
