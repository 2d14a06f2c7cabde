import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@vigil/service';
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
