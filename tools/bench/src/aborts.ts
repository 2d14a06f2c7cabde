import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRandomModel, RANDOM_TINY } from '@vigil/model';
import { memoryOf, childrenOf } from './processes.js';
import { startRuntime, type Server } from './servers.js';
import type { Bench, BenchResult } from './types.js';

const REQUESTS = 10_000;
const AT_ONCE = 16;
/** Until then whatever is made once is made, and heaps have their size. */
const WARM_UP = 10_000;
/** A request is given up at some time up to so many milliseconds after it was sent: waiting, reading or answering. */
const LONGEST_MS = 150;

/** What aborted requests leave behind in the bundled runtime. */
export const bench: Bench = {
  title: `What ${REQUESTS.toLocaleString('en')} aborted requests leave behind: ${AT_ONCE} at once, each given up within ${LONGEST_MS} ms, streamed or not.`,
  async run(say): Promise<BenchResult> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
    try {
      const model = join(folder, 'random.gguf');
      await writeFile(model, buildRandomModel(RANDOM_TINY));
      const server = await startRuntime({
        MODEL: model,
        MODEL_NAME: 'random',
        DATA_DIR: folder,
        RUNTIME_PORT: '0',
        LOG_LEVEL: 'error',
        LLAMA_GPU: 'none',
        SLOTS: '8',
        // Nobody collects: spans wait on disk within their bound.
        SPAN_SPOOL_MAX: '1MiB',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      });
      try {
        say(`${WARM_UP} requests first`);
        await abortMany(server, WARM_UP);
        const before = await state(server);
        say(`${REQUESTS} requests`);
        const outcomes = await abortMany(server, REQUESTS);
        const after = await state(server);
        return result(before, after, outcomes);
      } finally {
        await server.stop();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

interface Outcomes {
  aborted: number;
  answered: number;
}

async function abortMany({ url }: Server, count: number): Promise<Outcomes> {
  const outcomes = { aborted: 0, answered: 0 };
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), Math.random() * LONGEST_MS);
      try {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          signal: controller.signal,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            model: 'random',
            messages: [{ role: 'user', content: 'a '.repeat(Math.floor(Math.random() * 200)) }],
            stream: Math.random() < 0.5,
            ignore_eos: true,
          }),
        });
        await response.text();
        outcomes.answered++;
      } catch {
        outcomes.aborted++;
      } finally {
        clearTimeout(timer);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return outcomes;
}

type State = Readonly<Record<(typeof FIGURES)[number], number>>;
const FIGURES = [
  'requests that were given up after they had reached the server',
  'requests running',
  'requests waiting',
  'KV cache of running requests, %',
  'engine restarts',
  'open files and sockets of the server',
  'open files and sockets of the engine',
  'memory of the server (PSS), MiB',
  'memory of the engine (PSS), MiB',
] as const;

const MIB = 2 ** 20;
/** Connections that were given up before they were taken are closed one by one. */
const SETTLE_MS = 30_000;
const QUIET_MS = 2_000;

const read = (text: string, name: string): number =>
  Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);

const openFiles = async (pid: number): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;

/** Waits until the server has nothing more to do. */
async function settled({ pid }: Server): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  let [last, since] = [await openFiles(pid), performance.now()];
  while (performance.now() < deadline && performance.now() - since < QUIET_MS) {
    await new Promise((done) => setTimeout(done, 100));
    const now = await openFiles(pid);
    if (now !== last) [last, since] = [now, performance.now()];
  }
}

async function state(server: Server): Promise<State> {
  await settled(server);
  const { url, pid } = server;
  const text = await (await fetch(`${url}/metrics`)).text();
  const [engine] = await childrenOf(pid);
  return {
    'requests that were given up after they had reached the server': read(
      text,
      'vigil_runtime_requests_total\\{outcome="client_disconnected",service="runtime"\\}',
    ),
    'requests running': read(text, 'vigil_runtime_requests_running'),
    'requests waiting': read(text, 'vigil_runtime_requests_waiting'),
    'KV cache of running requests, %': 100 * read(text, 'vigil_runtime_kv_cache_usage_ratio'),
    'engine restarts': read(text, 'vigil_runtime_engine_restarts_total'),
    'open files and sockets of the server': await openFiles(pid),
    'open files and sockets of the engine': await openFiles(engine!.pid),
    'memory of the server (PSS), MiB': (await memoryOf(pid)).pss / MIB,
    'memory of the engine (PSS), MiB': (await memoryOf(engine!.pid)).pss / MIB,
  };
}

const show = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(1));

const result = (before: State, after: State, { aborted, answered }: Outcomes): BenchResult => ({
  tables: [
    {
      caption: 'Before and after',
      columns: [
        'figure',
        `after ${WARM_UP.toLocaleString('en')} requests`,
        `after ${REQUESTS.toLocaleString('en')} more`,
      ],
      rows: FIGURES.map((name) => [name, show(before[name]), show(after[name])]),
    },
  ],
  notes: [
    `${aborted.toLocaleString('en')} of them were given up before their answer was whole, ${answered.toLocaleString('en')} were answered in time.`,
    'The client keeps a few connections open, which are among the sockets of the server.',
  ],
});
