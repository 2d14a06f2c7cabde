import { once } from 'node:events';
import { createServer } from 'node:http';

const MODEL = 'engine="0",model_name="deepseek-ai/DeepSeek-R1"';

/** Upper bounds of the histograms, and how many of each hundred values lie below them. */
const HISTOGRAMS: Readonly<Record<string, readonly (readonly [le: string, share: number])[]>> = {
  request_queue_time_seconds: [
    ['0.3', 60],
    ['1.0', 90],
    ['5.0', 99],
    ['+Inf', 100],
  ],
  time_to_first_token_seconds: [
    ['0.1', 20],
    ['0.5', 80],
    ['2.5', 98],
    ['+Inf', 100],
  ],
  inter_token_latency_seconds: [
    ['0.025', 50],
    ['0.05', 95],
    ['0.1', 99],
    ['+Inf', 100],
  ],
  e2e_request_latency_seconds: [
    ['5.0', 30],
    ['30.0', 80],
    ['60.0', 97],
    ['+Inf', 100],
  ],
};

/** What vLLM V1 says at `/metrics` after so many seconds under a steady load; names and labels are vLLM's own. */
function exposition(seconds: number): string {
  const n = Math.floor(seconds * 10);
  const gauge = (name: string, value: number) => `# TYPE vllm:${name} gauge\nvllm:${name}{${MODEL}} ${value}`;
  const counter = (name: string, value: number) => `# TYPE vllm:${name} counter\nvllm:${name}_total{${MODEL}} ${value}`;
  const histogram = ([name, bounds]: [string, (typeof HISTOGRAMS)[string]]) =>
    [
      `# TYPE vllm:${name} histogram`,
      ...bounds.map(([le, share]) => `vllm:${name}_bucket{${MODEL},le="${le}"} ${(n * share) / 100}`),
      `vllm:${name}_count{${MODEL}} ${n}`,
      `vllm:${name}_sum{${MODEL}} ${n * 0.4}`,
    ].join('\n');
  return `${[
    gauge('num_requests_running', 12),
    gauge('num_requests_waiting', 3),
    gauge('kv_cache_usage_perc', 0.83),
    counter('num_preemptions', 17),
    counter('prompt_tokens', n * 900),
    counter('generation_tokens', n * 1200),
    counter('prefix_cache_queries', n * 900),
    counter('prefix_cache_hits', n * 400),
    ...Object.entries(HISTOGRAMS).map(histogram),
  ].join('\n')}\n`;
}

export interface EngineServer {
  url: string;
  close(): Promise<void>;
}

/** A vLLM under load can't be had here: one that says what one would. */
export async function startEngine(): Promise<EngineServer> {
  const began = Date.now();
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    response.end(exposition(100 + (Date.now() - began) / 1000));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/metrics`,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
