/** One process that holds memory of a GPU. PIDs are the host's. */
export interface GpuProcess {
  pid: number;
  name: string | null;
  /** Bytes. */
  memory: number | null;
  /** Id of the container that it runs in, where its cgroup tells. */
  container: string | null;
  /** Whether it is a Vigil runtime or one of its children. */
  runtime: boolean;
}

/** What the driver asks an operator to do before the GPU can be trusted again, in NVML's order. */
export const RECOVERY_ACTIONS = ['none', 'gpu_reset', 'node_reboot', 'drain_p2p', 'drain_and_reset'] as const;
export type RecoveryAction = (typeof RECOVERY_ACTIONS)[number];

/**
 * One reading of one GPU. Sizes in bytes, power in watts, energy in joules, temperatures in °C, clocks in hertz,
 * shares from 0 to 1. `null` means that the device does not tell: never 0, never NaN.
 */
export interface GpuSample {
  /** When the answer was had. */
  time: Date;
  /**
   * Index on its node (enumeration order), as text, since it is a label. A MIG instance is a sample of its own, named
   * by device and GPU instance: `0/1`.
   */
  gpu: string;
  uuid: string | null;
  name: string | null;
  /** Profile of a MIG instance, such as `1g.10gb`; `null` for whole devices. */
  migProfile: string | null;
  /** Version of the driver. */
  driver: string | null;
  /** Name of the source that read it. */
  source: string;
  /** True where a recording is played instead of a device being read. */
  replay: boolean;
  /** Bytes that processes hold; the driver's reserved part is not among them. */
  memoryUsed: number | null;
  memoryReserved: number | null;
  memoryTotal: number | null;
  /** used / total, from 0 to 1. */
  memoryRatio: number | null;
  /** Share of time in which a kernel ran. */
  utilization: number | null;
  /** Share of time in which memory was read or written: bandwidth, not fill. */
  memoryUtilization: number | null;
  temperature: number | null;
  memoryTemperature: number | null;
  /** °C that the die may still gain before it is slowed down. */
  temperatureMargin: number | null;
  power: number | null;
  powerLimit: number | null;
  /** Joules since the driver was loaded. */
  energy: number | null;
  fanSpeed: number | null;
  smClock: number | null;
  memoryClock: number | null;
  graphicsClock: number | null;
  videoClock: number | null;
  /** Active reasons for lowered clocks, other than idle, such as `sw_power_cap`; `null` where they are not told at all. */
  throttleReasons: string[] | null;
  /** Memory errors since the driver was loaded. */
  eccCorrected: number | null;
  eccUncorrected: number | null;
  /** Rows of memory that were replaced, by the errors that caused it. */
  remappedCorrected: number | null;
  remappedUncorrected: number | null;
  /** Whether a row waits for the next reset to be replaced, and whether replacing one failed. */
  remapPending: boolean | null;
  remapFailed: boolean | null;
  recoveryAction: RecoveryAction | null;
  /** Bytes a second that the device sends and receives over PCIe; a source may measure them every few readings only. */
  pcieTx: number | null;
  pcieRx: number | null;
  /** Packets that PCIe had to send again, since the driver was loaded. */
  pcieReplays: number | null;
  /** Bytes over all NVLinks since the driver was loaded. */
  nvlinkTx: number | null;
  nvlinkRx: number | null;
  /** Errors of all NVLinks (CRC, replay, recovery) since the driver was loaded. */
  nvlinkErrors: number | null;
  migMode: 'enabled' | 'disabled' | null;
  processes: GpuProcess[];
}

/** Reasons for lowered clocks other than idle, by the names that nvidia-smi gives them, in the order of their bits from 0x2. */
export const THROTTLE_REASONS = [
  'applications_clocks_setting',
  'sw_power_cap',
  'hw_slowdown',
  'sync_boost',
  'sw_thermal_slowdown',
  'hw_thermal_slowdown',
  'hw_power_brake_slowdown',
  'display_clocks_setting',
] as const;

/** How bad an event is: `application` is a fault of the program that ran, not of the GPU. */
export type GpuEventClass = 'critical' | 'warning' | 'application' | 'unknown';

/** Something that happened to a GPU between two readings. */
export interface GpuEvent {
  time: Date;
  /** As in `GpuSample`; `null` where the event does not say. */
  gpu: string | null;
  uuid: string | null;
  replay: boolean;
  /** `xid`: an error that the driver reported; `lost`, `returned`: the GPU is no longer, or again, among those read. */
  kind: 'xid' | 'lost' | 'returned';
  /** NVIDIA's XID code. */
  code: number | null;
  class: GpuEventClass;
  /** What it means, a sentence. */
  meaning: string;
  /** Who told: `nvml`, `kmsg`, or the name of the source whose readings were compared. */
  source: string;
  /** The kernel's own line, where it came that way. */
  message: string | null;
}

/** Why a reading failed; a metric's label, so the list stays short. */
export const FAILURE_KINDS = [
  /** The driver is not loaded, or does not fit its library. */
  'driver',
  /** The tool is there and names no GPU: a card is missing. */
  'no-devices',
  /** A card fell off the bus, or gives no value at all. */
  'gpu-lost',
  /** The tool ended with another code, or by a signal. */
  'exit',
  /** No answer before the deadline. */
  'timeout',
  /** An earlier tool could not even be killed; another one is not started beside it. */
  'stuck',
  'too-large',
  'empty',
  /** Not XML, or cut off. */
  'malformed',
  /** XML, but not what the tool is known to print. */
  'unexpected',
  /** What should answer over HTTP does not: nobody listens there, or it answers with an error. */
  'unreachable',
  /** The child process ended or could not be started. */
  'child',
  /** The reading was called off. */
  'aborted',
  'error',
] as const;
export type GpuFailureKind = (typeof FAILURE_KINDS)[number];

export interface GpuUp {
  state: 'up';
  source: string;
  samples: GpuSample[];
  /** What the source was told since the reading before. */
  events: GpuEvent[];
  /** What is worth a log line although the reading is good: noise on standard error, a GPU without values. */
  notes: string[];
}

/** This machine has no GPU that the source can read: a state, not an error. */
export interface GpuNone {
  state: 'none';
  source: string;
  reason: string;
}

export interface GpuFailed {
  state: 'failed';
  source: string;
  reason: string;
  kind: GpuFailureKind;
}

export type GpuReading = GpuUp | GpuNone | GpuFailed;

/** Something that reads the GPUs of this machine. */
export interface GpuSource {
  readonly name: string;
  /** Never throws for what a device or a tool does: that is a reading, `failed`. Callers ask one at a time. */
  read(signal?: AbortSignal): Promise<GpuReading>;
  /** Ends everything that the source started. A later `read` fails as `aborted`. */
  close(): Promise<void>;
}

/** The fields that a source may not know; each overrides what it does. */
export const UNTOLD = {
  migProfile: null,
  temperatureMargin: null,
  graphicsClock: null,
  videoClock: null,
  eccCorrected: null,
  remappedCorrected: null,
  remappedUncorrected: null,
  remapPending: null,
  remapFailed: null,
  recoveryAction: null,
  pcieReplays: null,
  nvlinkTx: null,
  nvlinkRx: null,
  nvlinkErrors: null,
} as const satisfies Partial<GpuSample>;
