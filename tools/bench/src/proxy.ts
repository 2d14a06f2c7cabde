import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UserError } from '@vigil/service';
import { children } from './processes.js';
import { quantile } from './statistics.js';
import type { Bench, BenchResult } from './types.js';

const STREAMS = 100;
const TOKENS = 100;
/** Milliseconds between two tokens of a stream: an R1 that says 20 tokens a second. */
const INTERVAL = 50;
/** Direct and through the runtime by turns, so that a machine that slows down slows both. */
/** Streams one after another, of each of the hundred; the first, while not all are there, is not counted. */
const ROUNDS = 3;
const TURNS = ['direct', 'proxy', 'proxy', 'direct'] as const;

type Way = (typeof TURNS)[number];
interface Figures {
  /** Milliseconds from the upstream's write of a token to the client's read of it. */
  token: number[];
  /** Milliseconds from sending a request to its first token. */
  first: number[];
  /** CPU seconds. */
  upstream: number;
  runtime: number;
  client: number;
}

const agent = new Agent({ keepAlive: true });

/** What it costs to have the runtime before another engine. */
export const bench: Bench = {
  title: `What the runtime adds before another engine: ${STREAMS} streams at once, ${1000 / INTERVAL} tokens a second each.`,
  async run(say): Promise<BenchResult> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
    const started: ChildProcess[] = [];
    try {
      const upstream = await start(started, './proxy-upstream.js', {}, (message) => message as number);
      const runtime = await start(
        started,
        '../../../apps/runtime/dist/main.js',
        {
          ENGINE: 'upstream',
          UPSTREAMS: `bench=http://127.0.0.1:${upstream.value}/v1`,
          RUNTIME_PORT: '0',
          DATA_DIR: folder,
          LOG_LEVEL: 'error',
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${upstream.value}`,
        },
        (message) => {
          const { type, addresses } = message as { type: string; addresses?: { runtime: string } };
          return type === 'ready' ? Number(new URL(addresses!.runtime).port) : undefined;
        },
      );
      const pids = { upstream: upstream.pid, runtime: runtime.pid };
      const ports = { direct: upstream.value, proxy: runtime.value };
      const rows: string[][] = [];
      for (const inStep of [false, true]) {
        const figures = await measure(ports, pids, inStep, say);
        for (const way of ['direct', 'proxy'] as const) rows.push(row(way, inStep, figures[way]));
        rows.push(added(inStep, figures));
      }
      return {
        tables: [
          {
            caption: 'From the write of a token upstream to its read by the client',
            columns: [
              'way',
              'tokens of all streams',
              'median, ms',
              'p99, ms',
              'first token median, ms',
              'first token p99, ms',
              'CPU a token, µs: upstream',
              'runtime',
              'client',
            ],
            rows,
          },
        ],
        notes: [
          'Upstream, runtime and client are a process each, on the same machine; the clock is the same monotonic one.',
          'In one step: the upstream writes the tokens of all streams at once, as an engine that batches does, so the last of a hundred waits for ninety-nine others at each of the three.',
          'The first token is said 20 ms after a request, in one step with the next of the others: 0 to 50 ms after it.',
          'Added is the difference of the two quantiles, which is not a quantile of differences. Telemetry is on: spans, message content and the histograms of each token.',
        ],
      };
    } finally {
      agent.destroy();
      for (const child of started) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function start<T>(
  started: ChildProcess[],
  path: string,
  env: Record<string, string>,
  read: (message: unknown) => T | undefined,
): Promise<{ pid: number; value: T }> {
  const child = fork(fileURLToPath(new URL(path, import.meta.url)), [], { env: { ...process.env, ...env } });
  started.push(child);
  const ended = once(child, 'exit').then(() => {
    throw new UserError(`A process that the benchmark needs ended at its start: ${path}.`);
  });
  ended.catch(() => undefined);
  for (;;) {
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
    const value = read(message);
    if (value !== undefined) return { pid: child.pid!, value };
  }
}

async function measure(
  ports: Record<Way, number>,
  pids: { upstream: number; runtime: number },
  inStep: boolean,
  say: (line: string) => void,
): Promise<Record<Way, Figures>> {
  const figures = { direct: none(), proxy: none() };
  // What is compiled and connected once is not measured.
  for (const way of ['direct', 'proxy'] as const) await streams(ports[way], inStep, 1, none());
  for (const way of TURNS) {
    say(`${STREAMS} streams, ${inStep ? 'in one step' : 'each at its time'}, ${way}`);
    const before = await cpu(pids);
    await streams(ports[way], inStep, ROUNDS, figures[way]);
    const after = await cpu(pids);
    for (const part of ['upstream', 'runtime', 'client'] as const) figures[way][part] += after[part] - before[part];
  }
  return figures;
}

const none = (): Figures => ({ token: [], first: [], upstream: 0, runtime: 0, client: 0 });

async function cpu(pids: { upstream: number; runtime: number }) {
  const all = await children();
  const of = (pid: number) => all.find((stat) => stat.pid === pid)?.cpu ?? 0;
  const { user, system } = process.cpuUsage();
  return { upstream: of(pids.upstream), runtime: of(pids.runtime), client: (user + system) / 1e6 };
}

/** A steady state: as many streams as are wanted, each begun anew when it ends, their begins spread over one length. */
async function streams(port: number, inStep: boolean, rounds: number, figures: Figures): Promise<void> {
  const length = TOKENS * INTERVAL;
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, i) => {
      await sleep((i * length) / STREAMS);
      for (let round = 0; round < rounds; round++)
        await stream(port, { tokens: TOKENS, interval: INTERVAL, inStep }, round === 0 ? none() : figures);
    }),
  );
}

function stream(port: number, ask: object, figures: Figures): Promise<void> {
  const body = JSON.stringify({
    model: 'bench',
    stream: true,
    messages: [{ role: 'user', content: 'Hi' }],
    bench: ask,
  });
  return new Promise((resolve, reject) => {
    const sent = process.hrtime.bigint();
    let first = true;
    const call = request(
      {
        port,
        host: '127.0.0.1',
        path: '/v1/chat/completions',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        if (response.statusCode !== 200) reject(new UserError(`The benchmark was answered ${response.statusCode}.`));
        response.on('data', (chunk: Buffer) => {
          const now = process.hrtime.bigint();
          for (const [, at] of chunk.toString('latin1').matchAll(/"content":"(\d+) "/g)) {
            figures.token.push(Number(now - BigInt(at!)) / 1e6);
            if (first) figures.first.push(Number(now - sent) / 1e6);
            first = false;
          }
        });
        response.on('end', resolve).on('error', reject);
      },
    );
    call.on('error', reject).end(body);
  });
}

const ms = (value: number): string => value.toFixed(2);
const steps = (inStep: boolean): string => (inStep ? 'in one step' : 'each at its time');

function row(way: Way, inStep: boolean, f: Figures): string[] {
  const each = (seconds: number): string => ((seconds * 1e6) / f.token.length).toFixed(0);
  return [
    way === 'direct' ? 'direct' : 'through the runtime',
    steps(inStep),
    ms(quantile(f.token, 0.5)),
    ms(quantile(f.token, 0.99)),
    ms(quantile(f.first, 0.5)),
    ms(quantile(f.first, 0.99)),
    each(f.upstream),
    way === 'direct' ? '' : each(f.runtime),
    each(f.client),
  ];
}

function added(inStep: boolean, { direct, proxy }: Record<Way, Figures>): string[] {
  const more = (part: 'token' | 'first', share: number): string =>
    ms(quantile(proxy[part], share) - quantile(direct[part], share));
  return [
    'added',
    steps(inStep),
    more('token', 0.5),
    more('token', 0.99),
    more('first', 0.5),
    more('first', 0.99),
    '',
    '',
    '',
  ];
}
