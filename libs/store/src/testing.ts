import type { EngineSampleRow, GpuEventRow, GpuSampleRow, NodeSampleRow, RequestRow } from './rows.js';

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
    migProfile: null,
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
    temperatureMargin: 47,
    power: 100,
    powerLimit: 700,
    energy: null,
    fanSpeed: null,
    smClock: 1.98e9,
    memoryClock: null,
    graphicsClock: null,
    videoClock: null,
    throttleReasons: [],
    eccCorrected: null,
    eccUncorrected: null,
    remappedCorrected: null,
    remappedUncorrected: null,
    remapPending: null,
    remapFailed: null,
    recoveryAction: null,
    pcieTx: null,
    pcieRx: null,
    pcieReplays: null,
    nvlinkTx: null,
    nvlinkRx: null,
    nvlinkErrors: null,
    migMode: null,
    processes: [],
    ...change,
  };
}

/** A vLLM that answers four requests, now. */
export function engineRow(change: Partial<EngineSampleRow> = {}): EngineSampleRow {
  return {
    time: new Date(),
    node: 'gpu-1',
    server: 'r1',
    kind: 'vllm',
    model: 'm',
    running: 4,
    waiting: 0,
    kvCacheRatio: 0.2,
    preemptionRate: 0,
    ...change,
  };
}

/** An XID 79 of GPU 0, now. */
export function gpuEventRow(change: Partial<GpuEventRow> = {}): GpuEventRow {
  return {
    time: new Date(),
    node: 'gpu-1',
    gpu: '0',
    uuid: 'GPU-0',
    replay: false,
    kind: 'xid',
    code: 79,
    class: 'critical',
    meaning: 'The GPU has fallen off the bus.',
    source: 'kmsg',
    message: null,
    ...change,
  };
}

/** A node with one GPU that is well, now. */
export function nodeRow(change: Partial<NodeSampleRow> = {}): NodeSampleRow {
  const time = change.time ?? new Date();
  return {
    time,
    node: 'gpu-1',
    replay: false,
    uptime: 86_400,
    cpuCount: 32,
    cpuRatio: 0.25,
    load1: 8,
    memoryTotal: 1000,
    memoryAvailable: 600,
    memoryRatio: 0.4,
    swapUsed: 0,
    volumePath: '/models',
    volumeTotal: 1000,
    volumeUsed: 500,
    volumeRatio: 0.5,
    diskRead: 0,
    diskWrite: 0,
    networkReceive: 100,
    networkTransmit: 50,
    networkErrors: 0,
    congestionControl: 'bbr',
    interfaces: [{ name: 'eth0', mtu: 9000, up: true, speed: 1e11, receive: 100, transmit: 50, errors: 0 }],
    rdma: [],
    gpuState: 'up',
    gpuCount: 1,
    gpuReadAt: time,
    ...change,
  };
}
