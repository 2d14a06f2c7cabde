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

/** One reading of one GPU. Bytes, watts, °C, hertz, shares from 0 to 1; `null` where the device does not tell. */
export interface GpuSampleRow {
  time: Date;
  node: string;
  /** Index on its node, as text, since it is a label. */
  gpu: string;
  uuid: string | null;
  name: string | null;
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
  power: number | null;
  powerLimit: number | null;
  fanSpeed: number | null;
  smClock: number | null;
  memoryClock: number | null;
  throttleReasons: readonly string[];
  eccUncorrected: number | null;
  processes: readonly { pid: number; name: string | null; memory: number | null }[];
}
