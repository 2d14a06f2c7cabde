import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRandomModel, RANDOM_125M } from '@vigil/model';
import { startLlamaServer, startRuntime, withRuntime, type Env, type Server } from './servers.js';
import { median, quantile } from './statistics.js';
import { runStream, runStreams, type Load, type StreamFigures } from './streams.js';
import type { Bench, Table } from './types.js';

const PROMPT = 64;
const TOKENS = 64;
const LONG_PROMPT = 2000;
/** Of all servers at each number of streams: a machine that slows down slows all. A multiple of their number. */
const TURNS = 4;
const MANY = 64;
/** Sequences of a server that is compared, as many as ours presets on a processor. */
const SEQUENCES = 32;
const LIMITS: readonly [string, Record<string, string>][] = [
  ['fixed, 8', { BATCH_MIN: '8', BATCH_MAX: '8' }],
  [`fixed, ${MANY}`, { BATCH_MIN: String(MANY), BATCH_MAX: String(MANY) }],
  ['dynamic, 200 ms', {}],
  ['dynamic, 80 ms', { TARGET_LATENCY_MS: '80' }],
];

/** What is measured. */
export interface Subject {
  /** The name of the model, and what it is in words. */
  model: string;
  words: string;
  /** A GGUF file. */
  build(): Uint8Array;
  streams: readonly { streams: number; rounds: number }[];
  env: Env;
}

/** How fast the bundled runtime answers, over HTTP and streamed. */
export const bench = runtimeBench(
  {
    model: 'random-128m',
    words: '128 million random weights in Q8_0',
    build: () => buildRandomModel(RANDOM_125M),
    streams: [
      { streams: 1, rounds: 4 },
      { streams: 8, rounds: 3 },
      { streams: 32, rounds: 1 },
      { streams: 32, rounds: 2 },
    ],
    env: {},
  },
  process.env.LLAMA_SERVER,
);

/** @param llamaServer the program that is measured beside ours */
export function runtimeBench(subject: Subject, llamaServer: string | undefined): Bench {
  return {
    title: `How fast the bundled runtime answers: streams over HTTP, prompts of ${PROMPT} tokens, answers of ${TOKENS}, a model of ${subject.words}.`,
    run: async (say) => ({ tables: await tablesOf(subject, llamaServer, say), notes: notes(llamaServer) }),
  };
}

const notes = (llamaServer: string | undefined): string[] => [
  'Client and server are on the same machine and share its cores. An inter-token gap is the time between two reads of a client; those of all streams together.',
  'Temperature 0.6 and top_p 0.95, as DeepSeek advises, and top_k 40, which llama-server presets: without it ours looks at 1,024 candidates, which takes 0.09 ms of a core more a token. One answer each is a burst: all come at once; with more of them each stream asks again as soon as it is answered. No prompt begins like another, so nothing is reused. Telemetry on: spans, message content and the note of every request; the collector is one that answers 200 at once.',
  'Random weights make the choice of a token dearer than real ones do, as its probabilities are nearly even.',
  llamaServer === undefined
    ? 'LLAMA_SERVER names the program of llama.cpp that is measured beside ours; it was not set.'
    : `llama-server has the same model and as many sequences (-np ${SEQUENCES}), and the threads that its name says. It is asked by its own /completion with prompts in R1's template, as over OpenAI's API it ends answers that make no sense; ours by /v1/chat/completions.`,
];

async function tablesOf(subject: Subject, llamaServer: string | undefined, say: Say): Promise<Table[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
  const collector = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  try {
    say(`making a model of ${subject.words}`);
    const file = join(folder, `${subject.model}.gguf`);
    await writeFile(file, subject.build());
    const env = {
      MODEL: file,
      DATA_DIR: folder,
      RUNTIME_PORT: '0',
      LOG_LEVEL: 'error',
      QUEUE_MAX: '1000',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      ...subject.env,
    };
    const at: Place = { subject, env, file, say };
    return [...(await serversByTurns(at, llamaServer)), await longPrompt(at), await limits(at)];
  } finally {
    collector.close();
    collector.closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Place {
  subject: Subject;
  env: Env;
  /** The model's. */
  file: string;
  say: Say;
}

type Say = (line: string) => void;

const load = ({ subject }: Place, url: string, change: Partial<Load> = {}): Load => ({
  url,
  model: subject.model,
  api: 'chat',
  streams: 1,
  rounds: 1,
  prompt: PROMPT,
  tokens: TOKENS,
  ...change,
});

/** What is compiled, connected and mapped once is not measured. */
async function warmUp(at: Place, url: string, api: Load['api'] = 'chat'): Promise<void> {
  for (const { streams } of at.subject.streams) await runStreams(load(at, url, { api, streams, tokens: 8 }));
}

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
  api: Load['api'];
  start(): Promise<Server>;
}

function contenders({ env, file, subject }: Place, llamaServer: string | undefined): Contender[] {
  const ours = (off: boolean) => () => startRuntime({ ...env, OTEL_SDK_DISABLED: String(off) });
  const theirs = (program: string, threads: number): Contender => ({
    name: `llama-server, ${threads} thread${threads === 1 ? '' : 's'}`,
    api: 'native',
    start: () =>
      startLlamaServer(
        program,
        [
          ['-m', file, '--alias', subject.model],
          ['-t', String(threads), '-tb', String(threads), '-np', String(SEQUENCES)],
          ['-c', String(SEQUENCES * 512), '--no-webui', '--cache-ram', '0'],
        ].flat(),
      ),
  });
  return [
    { name: 'Vigil', api: 'chat', start: ours(false) },
    { name: 'Vigil, telemetry off', api: 'chat', start: ours(true) },
    ...(llamaServer === undefined ? [] : [1, 2].map((threads) => theirs(llamaServer, threads))),
  ];
}

/** What one server did in each of its turns, by number of streams. */
type Turns = StreamFigures[][];

async function serversByTurns(at: Place, llamaServer: string | undefined): Promise<Table[]> {
  const sizes = at.subject.streams;
  const all = contenders(at, llamaServer);
  const servers: Server[] = [];
  try {
    for (const contender of all) servers.push(await contender.start());
    for (const [i, { api }] of all.entries()) await warmUp(at, servers[i]!.url, api);
    const turns: Turns[] = all.map(() => sizes.map(() => []));
    for (let turn = 0; turn < TURNS; turn++) {
      at.say(`turn ${turn + 1} of ${TURNS}`);
      for (const [i, size] of sizes.entries())
        for (const who of orderOf(all.length, turn))
          turns[who]![i]!.push(await runStreams(load(at, servers[who]!.url, { ...size, api: all[who]!.api })));
    }
    const ratio = (of: string, to: number) => ratioTable(sizes, turns[0]!, turns[to]!, of);
    return [
      streamsTable(sizes, all, turns),
      ratio('Throughput with telemetry on, in per cent of that with it off', 1),
      ...all.slice(2).map(({ name }, i) => ratio(`Throughput in per cent of that of ${name}`, i + 2)),
    ];
  } finally {
    for (const server of servers) await server.stop();
  }
}

/**
 * The order of an even number of servers in a turn. In as many turns as there are servers each comes directly after each
 * other once (Williams, 1949): what one leaves behind befalls all alike.
 */
export function orderOf(count: number, turn: number): number[] {
  return Array.from({ length: count }, (_, i) => (turn + (i % 2 === 1 ? (i + 1) / 2 : count - i / 2)) % count);
}

const range = (values: readonly number[], show: (value: number) => string): string =>
  `${show(median(values))} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;

type Sizes = Subject['streams'];

const streamsTable = (sizes: Sizes, all: readonly Contender[], turns: readonly Turns[]): Table => ({
  caption: `Streams at once: tokens/s as the median of ${TURNS} turns and their range`,
  columns: ['streams', 'answers each', 'server', ...COLUMNS],
  rows: sizes.flatMap(({ streams, rounds }, i) =>
    all.map(({ name }, at) => {
      const own = turns[at]![i]!;
      const [, ...rest] = cells(own.reduce(add, NONE));
      return [String(streams), String(rounds), name, range(own.map(rate), (value) => value.toFixed(0)), ...rest];
    }),
  ),
});

/** Of what one did to what another did just before or after it. */
const ratioTable = (sizes: Sizes, one: Turns, other: Turns, of: string): Table => ({
  caption: `${of}, turn by turn`,
  columns: ['streams', 'answers each', 'median', 'range', 'all turns together'],
  rows: sizes.map(({ streams, rounds }, i) => {
    const [ours, theirs] = [one[i]!, other[i]!];
    const shares = ours.map((figures, turn) => (100 * rate(figures)) / rate(theirs[turn]!));
    const together = (100 * rate(ours.reduce(add, NONE))) / rate(theirs.reduce(add, NONE));
    const show = (value: number) => value.toFixed(1);
    return [
      String(streams),
      String(rounds),
      show(median(shares)),
      `${show(Math.min(...shares))} to ${show(Math.max(...shares))}`,
      show(together),
    ];
  }),
});

async function longPrompt(at: Place): Promise<Table> {
  at.say(`a prompt of ${LONG_PROMPT} tokens among four streams`);
  return withRuntime(at.env, async (url) => {
    await warmUp(at, url);
    const others = { ...NONE, first: [], gaps: [] };
    const long = { ...NONE, first: [], gaps: [] };
    const streams = Array.from({ length: 4 }, () => runStream(load(at, url, { tokens: 400 }), others));
    while (others.first.length < 4) await new Promise((done) => setTimeout(done, 20));
    const before = others.gaps.length;
    await runStream(load(at, url, { prompt: LONG_PROMPT, tokens: 2 }), long);
    const during = others.gaps.slice(before);
    await Promise.all(streams);
    return {
      caption: `Four streams while a prompt of ${LONG_PROMPT} tokens is read`,
      columns: ['inter-token p50, ms', 'p99, ms', 'longest, ms', 'first token of the long prompt, ms'],
      rows: [[...[0.5, 0.99, 1].map((share) => ms(quantile(during, share))), ms(long.first[0]!)]],
    };
  });
}

async function limits(at: Place): Promise<Table> {
  const rows: string[][] = [];
  for (const [name, change] of LIMITS) {
    at.say(`${MANY} streams, limit ${name}`);
    await withRuntime({ ...at.env, SLOTS: String(MANY), CONTEXT_SIZE: '512', ...change }, async (url) => {
      await warmUp(at, url);
      const figures = await runStreams(load(at, url, { streams: MANY }));
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
