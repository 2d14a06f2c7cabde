/*
 * The binary interface of libnvidia-ml as nvml.h declares it, on 64-bit little-endian machines. `nvmlReturn_t` is an
 * int, `nvmlDevice_t` an opaque pointer that is passed by value. Whatever the library fills in is a Buffer read at the
 * offsets below: nothing is converted on the way, and a 64-bit value is always read by `readU64`.
 */
import koffi from 'koffi';
import { THROTTLE_REASONS } from './types.js';

const DEVICE = 'uintptr_t';
const SET = 'uintptr_t';
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
  nvmlDeviceGetPcieReplayCounter: [DEVICE, OUT],
  nvmlDeviceGetRemappedRows: [DEVICE, OUT, OUT, OUT, OUT],
  nvmlDeviceGetMarginTemperature: [DEVICE, OUT],
  nvmlDeviceGetTemperatureThreshold: [DEVICE, U32, OUT],
  nvmlDeviceGetFanSpeed: [DEVICE, OUT],
  nvmlDeviceGetFieldValues: [DEVICE, 'int', OUT],
  nvmlDeviceGetMigMode: [DEVICE, OUT, OUT],
  nvmlDeviceGetMaxMigDeviceCount: [DEVICE, OUT],
  nvmlDeviceGetMigDeviceHandleByIndex: [DEVICE, U32, OUT],
  nvmlDeviceGetGpuInstanceId: [DEVICE, OUT],
  nvmlDeviceGetAttributes_v2: [DEVICE, OUT],
  nvmlEventSetCreate: [OUT],
  nvmlEventSetFree: [SET],
  nvmlEventSetWait_v2: [SET, OUT, U32],
  nvmlEventSetWait: [SET, OUT, U32],
  nvmlDeviceGetSupportedEventTypes: [DEVICE, OUT],
  nvmlDeviceRegisterEvents: [DEVICE, 'uint64_t', SET],
  nvmlDeviceGetComputeRunningProcesses_v3: [DEVICE, OUT, OUT],
  nvmlDeviceGetComputeRunningProcesses_v2: [DEVICE, OUT, OUT],
  nvmlDeviceGetComputeRunningProcesses: [DEVICE, OUT, OUT],
  nvmlDeviceGetGraphicsRunningProcesses_v3: [DEVICE, OUT, OUT],
  nvmlDeviceGetGraphicsRunningProcesses_v2: [DEVICE, OUT, OUT],
  nvmlDeviceGetGraphicsRunningProcesses: [DEVICE, OUT, OUT],
} as const satisfies Record<string, readonly string[]>;

export type NvmlFunction = keyof typeof PARAMETERS;
export type NvmlArgument = number | bigint | Buffer;

/** The parameters of `nvmlDeviceGetMemoryInfo_v2`: 40 bytes, whose first four the caller sets. */
export const MEMORY_V2 = { bytes: 40, version: 0x2000028, total: 8, reserved: 16, free: 24, used: 32 } as const;
/** `used` counts what the driver reserves. */
export const MEMORY_V1 = { bytes: 24, total: 0, free: 8, used: 16 } as const;
/** `nvmlFieldValue_t`; the caller sets id and scope. */
export const FIELD_VALUE = { bytes: 40, id: 0, scope: 4, type: 24, status: 28, value: 32 } as const;
/** Entries of `…RunningProcesses`; the first version is shorter than the later ones and names no GPU instance. */
export const PROCESS = { v1Bytes: 16, bytes: 24, pid: 0, memory: 8, gpuInstance: 16 } as const;
/** `nvmlEventData_t`. */
export const EVENT = { bytes: 32, device: 0, type: 8, data: 16, gpuInstance: 24 } as const;
export const EVENT_XID = 0x8;
/** `nvmlMarginTemperature_t`, whose first four bytes the caller sets. */
export const MARGIN_TEMPERATURE = { bytes: 8, version: 0x1000008, margin: 4 } as const;
/** `nvmlDeviceAttributes_t`: slices of the GPU instance, memory in MiB. */
export const ATTRIBUTES = { bytes: 40, slices: 24, memory: 32 } as const;
/** In place of a GPU instance's number where there is none. */
export const NO_INSTANCE = 0xffffffff;
/** Room for each entry: some drivers (535.43 to 535.86) write longer ones than they should. */
export const PROCESS_ROOM_BYTES = 40;
/** Room for a name, UUID or version. */
export const TEXT_BYTES = 96;

export const TEMPERATURE_GPU = 0;
export const TEMPERATURE_SLOWDOWN = 1;
export const CLOCK = { graphics: 0, sm: 1, memory: 2, video: 3 } as const;
export const ECC = { corrected: 0, uncorrected: 1, volatile: 0 } as const;
export const PCIE = { tx: 0, rx: 1 } as const;
/** Field ids (`NVML_FI_DEV_…`). */
export const FIELD = {
  nvlinkFlitErrors: 38,
  nvlinkDataErrors: 45,
  nvlinkReplays: 52,
  nvlinkRecoveries: 59,
  memoryTemperature: 82,
  pcieReplays: 94,
  nvlinkTx: 138,
  nvlinkRx: 139,
  remappedCorrected: 142,
  remappedUncorrected: 143,
  remapPending: 144,
  remapFailed: 145,
  pcieTx: 197,
  pcieRx: 198,
  recoveryAction: 230,
} as const;
/** Scope of a field that is told by link: all of them. */
export const ALL_LINKS = 0xffffffff;

/** Bits of the clock event reasons other than idle (0x1), by their names. */
export const CLOCK_EVENT_REASONS = THROTTLE_REASONS.map((name, i) => [2 ** (i + 1), name] as const);

/** `nvmlReturn_t`, as far as it decides something here. */
export const CODE = {
  ok: 0,
  invalidArgument: 2,
  notSupported: 3,
  noPermission: 4,
  notFound: 6,
  insufficientSize: 7,
  timeout: 10,
  functionNotFound: 13,
  versionMismatch: 25,
  deprecated: 26,
} as const;

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
  call(name: NvmlFunction, ...args: NvmlArgument[]): number {
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

/** A device, an event set: an opaque pointer, of which no bit may be lost. */
export type Handle = number | bigint;

/** An unsigned 64-bit value; `null` where it is not a whole number in JavaScript, as is 2^64 - 1 (unknown). */
export function readU64(buffer: Buffer, offset = 0): number | null {
  const value = buffer.readUInt32LE(offset + 4) * 2 ** 32 + buffer.readUInt32LE(offset);
  return Number.isSafeInteger(value) ? value : null;
}

export function readHandle(buffer: Buffer, offset = 0): Handle {
  return readU64(buffer, offset) ?? buffer.readBigUInt64LE(offset);
}

/** Text up to its first zero byte; `null` for none. */
export function readText(buffer: Buffer, max: number): string | null {
  const end = buffer.indexOf(0);
  const text = buffer.toString('utf8', 0, end === -1 ? buffer.length : end).trim();
  return text === '' ? null : text.slice(0, max);
}

/** The number of an `nvmlFieldValue_t` that was told; `null` for an unknown type and for what is no number here. */
export function readFieldValue(buffer: Buffer, offset = 0): number | null {
  const value = offset + FIELD_VALUE.value;
  switch (buffer.readInt32LE(offset + FIELD_VALUE.type)) {
    case 0: {
      const told = buffer.readDoubleLE(value);
      return Number.isFinite(told) ? told : null;
    }
    case 1:
      return buffer.readUInt32LE(value);
    case 2:
    case 3:
      return readU64(buffer, value);
    case 4: {
      const told = Number(buffer.readBigInt64LE(value));
      return Number.isSafeInteger(told) ? told : null;
    }
    case 5:
      return buffer.readInt32LE(value);
    default:
      return null;
  }
}
