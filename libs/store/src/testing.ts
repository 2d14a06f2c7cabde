import type { GpuSampleRow, RequestRow } from './rows.js';

let n = 0;

/** A request that ended well, just now; each call makes another one. */
export function requestRow(change: Partial<RequestRow> = {}): RequestRow {
  n++;
  const now = new Date();
  return {
    traceId: n.toString(16).padStart(32, '0'),
    spanId: n.toString(16).padStart(16, '0'),
    startedAt: now,
    endedAt: now,
    node: 'a',
    engine: 'llama.cpp',
    model: 'm',
    endpoint: '127.0.0.1:8000',
    operation: 'chat',
    requestModel: 'm',
    responseModel: 'm',
    responseId: `chatcmpl-${n}`,
    conversationId: null,
    service: 'test',
    stream: true,
    outcome: 'ok',
    statusCode: 200,
    errorType: null,
    finishReason: 'stop',
    duration: 2,
    responseLatency: 0.25,
    timeToFirstToken: 0.25,
    timePerOutputToken: 0.02,
    queueDuration: 0,
    inputTokens: 10,
    outputTokens: 20,
    reasoningTokens: 5,
    unclosedReasoning: false,
    emptyAnswer: false,
    truncated: false,
    repetition: 0.1,
    reasoningRepetition: null,
    reasoningShare: 0.25,
    ...change,
  };
}

/** A GPU that uses this share of its memory, now. */
export function gpuRow(ratio: number, change: Partial<GpuSampleRow> = {}): GpuSampleRow {
  return {
    time: new Date(),
    node: 'gpu-1',
    gpu: '0',
    uuid: 'GPU-0',
    name: 'NVIDIA H200',
    driver: '580',
    source: 'nvidia-smi',
    replay: false,
    memoryUsed: ratio * 1000,
    memoryReserved: null,
    memoryTotal: 1000,
    utilization: 0.5,
    memoryUtilization: null,
    temperature: 40,
    memoryTemperature: null,
    power: 100,
    powerLimit: 700,
    fanSpeed: null,
    smClock: 1.98e9,
    memoryClock: null,
    throttleReasons: [],
    eccUncorrected: null,
    processes: [],
    ...change,
  };
}
