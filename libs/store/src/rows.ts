/** How a request ended. `error`: the server is answerable; `rejection`: a mistake of the client; `cancellation`: it hung up. */
export type Outcome = 'ok' | 'error' | 'rejection' | 'cancellation';

/** One request, as the collector writes it. Times in seconds, shares from 0 to 1, `null` where not known. */
export interface RequestRow {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  startedAt: Date;
  endedAt: Date;
  node: string;
  engine: string;
  /** The model as a label: bounded in number, `other` beyond. */
  model: string;
  endpoint: string;
  operation: string;
  /** The model as the client asked for it. */
  requestModel: string | null;
  responseModel: string | null;
  responseId: string | null;
  conversationId: string | null;
  service: string | null;
  stream: boolean | null;
  outcome: Outcome;
  statusCode: number | null;
  errorType: string | null;
  finishReason: string | null;
  duration: number;
  /** To the first byte of a successful answer. */
  responseLatency: number | null;
  timeToFirstToken: number | null;
  timePerOutputToken: number | null;
  queueDuration: number | null;
  inputTokens: number | null;
  outputTokens: number | null;
  reasoningTokens: number | null;
  /** `null` where the answer did not reason. */
  unclosedReasoning: boolean | null;
  emptyAnswer: boolean | null;
  truncated: boolean | null;
  repetition: number | null;
  reasoningRepetition: number | null;
  reasoningShare: number | null;
}

/** What the driver asks an operator to do before the GPU can be trusted again, in NVML's order. */
export type RecoveryAction = 'none' | 'gpu_reset' | 'node_reboot' | 'drain_p2p' | 'drain_and_reset';

/** One process that holds memory of a GPU. */
export interface GpuProcessRow {
  pid: number;
  name: string | null;
  /** Bytes. */
  memory: number | null;
  /** Id of the container that it runs in, where that is known. */
  container: string | null;
  /** Whether it is a Vigil runtime or one of its children. */
  runtime: boolean;
}

/**
 * One reading of one GPU. Bytes, watts, joules, °C, hertz, shares from 0 to 1; `null` where the device does not tell.
 * Counts (energy, ECC, PCIe replays, NVLink) go from the load of the driver on.
 */
export interface GpuSampleRow {
  time: Date;
  node: string;
  /**
   * Index on its node, as text, since it is a label. A MIG instance is a row of its own, named by device and GPU
   * instance: `0/1`.
   */
  gpu: string;
  uuid: string | null;
  name: string | null;
  /** Profile of a MIG instance, such as `1g.10gb`; `null` for whole devices. */
  migProfile: string | null;
  driver: string | null;
  source: string;
  replay: boolean;
  memoryUsed: number | null;
  memoryReserved: number | null;
  memoryTotal: number | null;
  utilization: number | null;
  memoryUtilization: number | null;
  temperature: number | null;
  memoryTemperature: number | null;
  /** °C that the die may still gain before it is slowed down. */
  temperatureMargin: number | null;
  power: number | null;
  powerLimit: number | null;
  energy: number | null;
  fanSpeed: number | null;
  smClock: number | null;
  memoryClock: number | null;
  graphicsClock: number | null;
  videoClock: number | null;
  throttleReasons: readonly string[];
  eccCorrected: number | null;
  eccUncorrected: number | null;
  remappedCorrected: number | null;
  remappedUncorrected: number | null;
  remapPending: boolean | null;
  remapFailed: boolean | null;
  recoveryAction: RecoveryAction | null;
  /** Bytes a second. */
  pcieTx: number | null;
  pcieRx: number | null;
  pcieReplays: number | null;
  /** Bytes. */
  nvlinkTx: number | null;
  nvlinkRx: number | null;
  nvlinkErrors: number | null;
  migMode: 'enabled' | 'disabled' | null;
  processes: readonly GpuProcessRow[];
}

/** What an engine said of itself and one of its models, at one reading; `null` where it does not tell. */
export interface EngineSampleRow {
  time: Date;
  /** The node that read it. */
  node: string;
  /** The engine by its name in ENGINE_METRICS. */
  server: string;
  /** What sort of engine it is, such as `vllm`. */
  kind: string;
  /** As the engine names it; empty where it does not. */
  model: string;
  /** Requests. */
  running: number | null;
  waiting: number | null;
  /** 0 to 1. */
  kvCacheRatio: number | null;
  /** A second, since the reading before; `null` at the first one. */
  preemptionRate: number | null;
}

/** Something that happened to a GPU between two readings. */
export interface GpuEventRow {
  time: Date;
  node: string;
  /** As in `GpuSampleRow`; `null` where the event does not say. */
  gpu: string | null;
  uuid: string | null;
  replay: boolean;
  /** `xid`: an error that the driver reported; `lost`, `returned`: the GPU is no longer, or again, among those read. */
  kind: 'xid' | 'lost' | 'returned';
  /** NVIDIA's XID code. */
  code: number | null;
  /** `application` is a fault of the program that ran, not of the GPU. */
  class: 'critical' | 'warning' | 'application' | 'unknown';
  /** A sentence. */
  meaning: string;
  source: string;
  /** The kernel's own line, where it came that way. */
  message: string | null;
}

/** A network interface at the time of a node sample. Rates are a second. */
export interface InterfaceRow {
  name: string;
  /** Bytes. */
  mtu: number | null;
  up: boolean;
  /** Bits a second. */
  speed: number | null;
  /** Bytes a second. */
  receive: number | null;
  transmit: number | null;
  /** Errors and drops a second. */
  errors: number | null;
}

/** A port of an RDMA device at the time of a node sample. Rates are a second. */
export interface RdmaPortRow {
  device: string;
  port: string;
  state: string | null;
  /** Bits a second. */
  rate: number | null;
  /** Bytes a second. */
  receive: number | null;
  transmit: number | null;
  errors: number | null;
}

/** One reading of one node. Bytes, bytes a second, shares from 0 to 1; `null` where the kernel does not tell. */
export interface NodeSampleRow {
  time: Date;
  node: string;
  replay: boolean;
  /** Seconds. */
  uptime: number | null;
  cpuCount: number | null;
  cpuRatio: number | null;
  load1: number | null;
  memoryTotal: number | null;
  memoryAvailable: number | null;
  memoryRatio: number | null;
  swapUsed: number | null;
  /** Where the volume that holds the model is mounted. */
  volumePath: string | null;
  volumeTotal: number | null;
  volumeUsed: number | null;
  volumeRatio: number | null;
  /** Of the volume's device. */
  diskRead: number | null;
  diskWrite: number | null;
  /** Sums over the physical interfaces. */
  networkReceive: number | null;
  networkTransmit: number | null;
  /** Errors and drops a second. */
  networkErrors: number | null;
  congestionControl: string | null;
  interfaces: readonly InterfaceRow[];
  rdma: readonly RdmaPortRow[];
  /** How the latest reading of the node's GPUs went. */
  gpuState: 'up' | 'none' | 'failed' | null;
  gpuCount: number | null;
  /** When the GPUs were last read well. */
  gpuReadAt: Date | null;
}
