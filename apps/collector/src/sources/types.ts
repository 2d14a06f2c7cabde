/** One process that holds memory of a GPU. PIDs are the host's. */
export interface GpuProcess {
  pid: number;
  name: string | null;
  /** Bytes. */
  memory: number | null;
}

/**
 * One reading of one GPU. Sizes in bytes, power in watts, energy in joules, temperatures in °C, clocks in hertz,
 * shares from 0 to 1. `null` means that the device does not tell: never 0, never NaN.
 */
export interface GpuSample {
  /** When the answer was had. */
  time: Date;
  /** Index on its node (enumeration order), as text, since it is a label. */
  gpu: string;
  uuid: string | null;
  name: string | null;
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
  power: number | null;
  powerLimit: number | null;
  /** Joules since the driver was loaded. */
  energy: number | null;
  fanSpeed: number | null;
  smClock: number | null;
  memoryClock: number | null;
  /** Active reasons for lowered clocks, other than idle, such as `sw_power_cap`, `hw_thermal_slowdown`. */
  throttleReasons: string[];
  /** Uncorrected errors since the driver was loaded. */
  eccUncorrected: number | null;
  /** Bytes a second that the device sends and receives over PCIe; a source may measure them every few readings only. */
  pcieTx: number | null;
  pcieRx: number | null;
  migMode: 'enabled' | 'disabled' | null;
  processes: GpuProcess[];
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
