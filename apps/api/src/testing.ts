import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@vigil/service';
import type { GpuSampleRow, RequestRow } from '@vigil/store';
import { configSchema, type ApiConfig } from './config.js';

/** Helpers for this room's tests. */

export function testConfig(env: Record<string, string>): ApiConfig {
  return readConfig(configSchema, { API_PORT: '0', EVALUATION_INTERVAL: '200ms', LOG_LEVEL: 'error', ...env });
}

export interface Received {
  body: Record<string, any>;
  headers: IncomingHttpHeaders;
  /** Milliseconds. */
  at: number;
}

export interface Receiver {
  url: string;
  port: number;
  received: Received[];
  /** What the next requests are answered; afterwards 200. `silence` answers nothing. */
  script: ((response: ServerResponse) => void)[];
  close(): Promise<void>;
}

/** A server on loopback that is asked as Slack's incoming webhooks are, and answers as its script says. */
export async function startReceiver(port = 0): Promise<Receiver> {
  const received: Received[] = [];
  const script: Receiver['script'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ body: JSON.parse(Buffer.concat(chunks).toString()), headers: request.headers, at: Date.now() });
      const answer = script.shift() ?? ((r: ServerResponse) => r.end('ok'));
      answer(response);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const actual = (server.address() as { port: number }).port;
  return {
    url: `http://127.0.0.1:${actual}/services/T000/B000/sEcReT`,
    port: actual,
    received,
    script,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export const answer =
  (status: number, headers: Record<string, string> = {}, body = '') =>
  (response: ServerResponse): void =>
    void response.writeHead(status, headers).end(body);

/** Keeps the connection open and says nothing. */
export const silence = (): void => undefined;

/** A folder of rules that is gone after the test. */
export async function writeRules(rules: Record<string, string>): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-rules-'));
  for (const [name, text] of Object.entries(rules)) await writeFile(join(folder, name), text);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

export const GPU_RULE = `alert: GpuFull
signal: gpu.memory.ratio
condition: { above: 0.9 }
by: [node, gpu, replay]
severity: critical
summary: 'GPU {{ $labels.gpu }} on {{ $labels.node }} uses {{ $value | percent }} of its memory'
action: docs/runbooks/gpu-memory-high.md
`;

let n = 0;

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
