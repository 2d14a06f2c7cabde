import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRandomModel, RANDOM_125M } from '@vigil/model';
import { startLlamaServer, startRuntime, type Env, type Server } from './servers.js';
import { median, quantile } from './statistics.js';
import { runStream, runStreams, type Load, type StreamFigures } from './streams.js';
import type { Bench, BenchResult, Table } from './types.js';

const MODEL = 'random-128m';
const PROMPT = 64;
const TOKENS = 64;
const LONG_PROMPT = 2000;
const STREAMS = [
  { streams: 1, rounds: 4 },
  { streams: 8, rounds: 2 },
  { streams: 32, rounds: 1 },
];
/** Turns of all servers: one after another, forwards and backwards, so that a machine that slows down slows all. */
const TURNS = 6;
const MANY = 64;
/** Sequences of a server that is compared, as many as ours presets on a processor. */
const SEQUENCES = 32;
const { LLAMA_SERVER } = process.env;
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
        tables: [...(await serversByTurns(env, model, say)), await longPrompt(env, say), await limits(env, say)],
        notes: [
          'Client and server are on the same machine and share its cores. An inter-token gap is the time between two reads of a client; those of all streams together.',
          'Sampling as DeepSeek advises (temperature 0.6, top_p 0.95), top_k as each server presets it (ours 0, llama-server 40). No prompt begins like another, so nothing is reused. Telemetry on: spans, message content and the note of every request; the collector is one that answers 200 at once.',
          'Random weights make the choice of a token dearer than real ones do, as its probabilities are nearly even.',
          ...(LLAMA_SERVER === undefined
            ? ['LLAMA_SERVER names the program of llama.cpp that is measured beside ours; it was not set.']
            : [
                `llama-server has the same model and as many sequences (-np ${SEQUENCES}), and the threads that its name says.`,
              ]),
        ],
      };
    } finally {
      collector.close();
      collector.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

type Say = (line: string) => void;

async function withRuntime<T>(env: Env, use: (url: string) => Promise<T>): Promise<T> {
  const server = await startRuntime(env);
  try {
    return await use(server.url);
  } finally {
    await server.stop();
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

interface Contender {
  name: string;
  start(): Promise<Server>;
}

function contenders(env: Env, model: string): Contender[] {
  const ours = (off: boolean) => () => startRuntime({ ...env, OTEL_SDK_DISABLED: String(off) });
  const theirs = (program: string, threads: number): Contender => ({
    name: `llama-server, ${threads} thread${threads === 1 ? '' : 's'}`,
    start: () =>
      startLlamaServer(
        program,
        [
          ['-m', model, '--alias', MODEL, '--jinja', '--chat-template', 'deepseek3', '--reasoning-format', 'none'],
          ['-t', String(threads), '-tb', String(threads), '-np', String(SEQUENCES)],
          ['-c', String(SEQUENCES * 512), '--no-webui', '--cache-ram', '0'],
        ].flat(),
      ),
  });
  return [
    { name: 'Vigil', start: ours(false) },
    { name: 'Vigil, telemetry off', start: ours(true) },
    ...(LLAMA_SERVER === undefined ? [] : [1, 2].map((threads) => theirs(LLAMA_SERVER, threads))),
  ];
}

/** What one server did in each of its turns, by number of streams. */
type Turns = StreamFigures[][];

async function serversByTurns(env: Env, model: string, say: Say): Promise<Table[]> {
  const all = contenders(env, model);
  const servers: Server[] = [];
  try {
    for (const contender of all) servers.push(await contender.start());
    for (const { url } of servers) await warmUp(url);
    const turns: Turns[] = all.map(() => STREAMS.map(() => []));
    for (let turn = 0; turn < TURNS; turn++) {
      say(`turn ${turn + 1} of ${TURNS}: ${STREAMS.map(({ streams }) => streams).join(', ')} streams`);
      const order = all.map((_, i) => i);
      for (const at of turn % 2 === 0 ? order : order.toReversed())
        for (const [i, size] of STREAMS.entries()) turns[at]![i]!.push(await runStreams(load(servers[at]!.url, size)));
    }
    return [streamsTable(all, turns), telemetryTable(turns[0]!, turns[1]!)];
  } finally {
    for (const server of servers) await server.stop();
  }
}

const range = (values: readonly number[], show: (value: number) => string): string =>
  `${show(median(values))} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;

const streamsTable = (all: readonly Contender[], turns: readonly Turns[]): Table => ({
  caption: `Streams at once: tokens/s as the median of ${TURNS} turns and their range`,
  columns: ['streams', 'server', ...COLUMNS],
  rows: STREAMS.flatMap(({ streams }, i) =>
    all.map(({ name }, at) => {
      const own = turns[at]![i]!;
      const [, ...rest] = cells(own.reduce(add, NONE));
      return [String(streams), name, range(own.map(rate), (value) => value.toFixed(0)), ...rest];
    }),
  ),
});

const telemetryTable = (on: Turns, off: Turns): Table => ({
  caption: 'Throughput with telemetry on, in per cent of that with it off, turn by turn',
  columns: ['streams', 'median', 'range', 'all turns together'],
  rows: STREAMS.map(({ streams }, i) => {
    const [ours, without] = [on[i]!, off[i]!];
    const shares = ours.map((figures, turn) => (100 * rate(figures)) / rate(without[turn]!));
    const together = (100 * rate(ours.reduce(add, NONE))) / rate(without.reduce(add, NONE));
    const show = (value: number) => value.toFixed(1);
    return [
      String(streams),
      show(median(shares)),
      `${show(Math.min(...shares))} to ${show(Math.max(...shares))}`,
      show(together),
    ];
  }),
});

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
