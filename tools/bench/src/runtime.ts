import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildRandomModel, RANDOM_125M } from '@vigil/model';
import { UserError } from '@vigil/service';
import { quantile } from './statistics.js';
import { runStream, runStreams, type Load, type StreamFigures } from './streams.js';
import type { Bench, BenchResult, Table } from './types.js';

const MODEL = 'random-128m';
const PROMPT = 64;
const TOKENS = 64;
const LONG_PROMPT = 2000;
const STREAMS = [
  { streams: 1, rounds: 4 },
  { streams: 8, rounds: 3 },
  { streams: 32, rounds: 1 },
];
/** By turns, so that a machine that slows down slows both. */
const TURNS = ['on', 'off', 'off', 'on'] as const;
const MANY = 64;
const LIMITS: readonly [string, Record<string, string>][] = [
  ['fixed, 8', { BATCH_MIN: '8', BATCH_MAX: '8' }],
  [`fixed, ${MANY}`, { BATCH_MIN: String(MANY), BATCH_MAX: String(MANY) }],
  ['dynamic, 200 ms', {}],
  ['dynamic, 80 ms', { TARGET_LATENCY_MS: '80' }],
];

/** How fast the bundled runtime answers, over HTTP and streamed. */
export const bench: Bench = {
  title: `How fast the bundled runtime answers: streams over HTTP, prompts of ${PROMPT} tokens, answers of ${TOKENS}, a model of 128 million random weights in Q8_0.`,
  async run(say): Promise<BenchResult> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
    const collector = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    try {
      const model = join(folder, `${MODEL}.gguf`);
      await writeFile(model, buildRandomModel(RANDOM_125M));
      const env = {
        MODEL: model,
        DATA_DIR: folder,
        RUNTIME_PORT: '0',
        LOG_LEVEL: 'error',
        QUEUE_MAX: '1000',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      };
      return {
        tables: [await telemetryOnAndOff(env, say), await longPrompt(env, say), await limits(env, say)],
        notes: [
          'Client and runtime are on the same machine and share its cores. An inter-token gap is the time between two reads of a client; those of all streams together.',
          'Sampling as DeepSeek advises (temperature 0.6, top_p 0.95). No prompt begins like another, so nothing is reused. Telemetry on: spans, message content and the note of every request; the collector is one that answers 200 at once.',
          'Random weights make the choice of a token dearer than real ones do, as its probabilities are nearly even.',
        ],
      };
    } finally {
      collector.close();
      collector.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

type Env = Record<string, string>;
type Say = (line: string) => void;

/** Starts the runtime, hands its address over, and ends it. */
export async function withRuntime<T>(env: Env, use: (url: string) => Promise<T>): Promise<T> {
  const child = fork(fileURLToPath(new URL('../../../apps/runtime/dist/main.js', import.meta.url)), [], {
    env: { ...process.env, ...env },
  });
  try {
    return await use(await ready(child));
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
}

async function ready(child: ChildProcess): Promise<string> {
  const ended = once(child, 'exit').then(() => {
    throw new UserError('The runtime ended at its start; it says above why.');
  });
  ended.catch(() => undefined);
  for (;;) {
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [
      { type: string; addresses?: { runtime: string } },
    ];
    if (message.type === 'ready') return message.addresses!.runtime;
  }
}

const load = (url: string, change: Partial<Load> = {}): Load => ({
  url,
  model: MODEL,
  streams: 1,
  rounds: 1,
  prompt: PROMPT,
  tokens: TOKENS,
  ...change,
});

/** What is compiled, connected and mapped once is not measured. */
const warmUp = (url: string) => runStreams(load(url, { streams: 2, tokens: 16 }));

const add = (to: StreamFigures, more: StreamFigures): StreamFigures => ({
  seconds: to.seconds + more.seconds,
  tokens: to.tokens + more.tokens,
  first: [...to.first, ...more.first],
  gaps: [...to.gaps, ...more.gaps],
});
const NONE: StreamFigures = { seconds: 0, tokens: 0, first: [], gaps: [] };
const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
const rate = ({ tokens, seconds }: StreamFigures): number => tokens / seconds;
const cells = (figures: StreamFigures): string[] => [
  rate(figures).toFixed(0),
  ms(quantile(figures.first, 0.5)),
  ms(quantile(figures.first, 0.99)),
  ms(quantile(figures.gaps, 0.5)),
  ms(quantile(figures.gaps, 0.99)),
];
const COLUMNS = ['tokens/s', 'first token p50, ms', 'p99, ms', 'inter-token p50, ms', 'p99, ms'];

async function telemetryOnAndOff(env: Env, say: Say): Promise<Table> {
  const figures = { on: STREAMS.map(() => NONE), off: STREAMS.map(() => NONE) };
  for (const telemetry of TURNS) {
    say(`telemetry ${telemetry}: ${STREAMS.map(({ streams }) => streams).join(', ')} streams`);
    await withRuntime({ ...env, OTEL_SDK_DISABLED: String(telemetry === 'off') }, async (url) => {
      await warmUp(url);
      for (const [i, size] of STREAMS.entries())
        figures[telemetry][i] = add(figures[telemetry][i]!, await runStreams(load(url, size)));
    });
  }
  return {
    caption: 'Streams at once, the limit dynamic as preset',
    columns: ['streams', 'telemetry', ...COLUMNS, 'on : off'],
    rows: STREAMS.flatMap(({ streams }, i) => {
      const [on, off] = [figures.on[i]!, figures.off[i]!];
      const share = `${((100 * rate(on)) / rate(off)).toFixed(1)} %`;
      return [
        [String(streams), 'on', ...cells(on), share],
        [String(streams), 'off', ...cells(off), ''],
      ];
    }),
  };
}

async function longPrompt(env: Env, say: Say): Promise<Table> {
  say(`a prompt of ${LONG_PROMPT} tokens among four streams`);
  return withRuntime(env, async (url) => {
    await warmUp(url);
    const others = { ...NONE, first: [], gaps: [] };
    const long = { ...NONE, first: [], gaps: [] };
    const streams = Array.from({ length: 4 }, (_, i) => runStream(load(url, { tokens: 400 }), `short ${i} `, others));
    while (others.first.length < 4) await new Promise((done) => setTimeout(done, 20));
    const before = others.gaps.length;
    await runStream(load(url, { prompt: LONG_PROMPT, tokens: 2 }), 'long ', long);
    const during = others.gaps.slice(before);
    await Promise.all(streams);
    return {
      caption: `Four streams while a prompt of ${LONG_PROMPT} tokens is read`,
      columns: ['inter-token p50, ms', 'p99, ms', 'longest, ms', 'first token of the long prompt, ms'],
      rows: [[...[0.5, 0.99, 1].map((share) => ms(quantile(during, share))), ms(long.first[0]!)]],
    };
  });
}

async function limits(env: Env, say: Say): Promise<Table> {
  const rows: string[][] = [];
  for (const [name, change] of LIMITS) {
    say(`${MANY} streams, limit ${name}`);
    await withRuntime({ ...env, SLOTS: String(MANY), CONTEXT_SIZE: '512', ...change }, async (url) => {
      await warmUp(url);
      const figures = await runStreams(load(url, { streams: MANY }));
      rows.push([name, ...cells(figures), await metric(url, 'vigil_runtime_batch_limit')]);
    });
  }
  return {
    caption: `${MANY} streams at once, the limit fixed and dynamic`,
    columns: ['limit', ...COLUMNS, 'limit at the end'],
    rows,
  };
}

async function metric(url: string, name: string): Promise<string> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1] ?? '';
}
