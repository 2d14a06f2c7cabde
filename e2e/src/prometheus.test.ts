import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, ROOT, type RunState } from '@vigil/launch';
import { SIGNALS, takesWindow, type Signal } from '@vigil/signals';
import { createStore, readLatest, readWindow } from '@vigil/store';
import { until } from '@vigil/testing';
import OpenAI from 'openai';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Launcher } from './launcher.js';

const present = findProgram('prometheus') !== undefined;
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

let folder: string;
let launcher: Launcher;
let state: RunState;
let store: DataSource;
let from: Date;
let to: Date;

/** Fails softly: refused and failed requests are what some signals are about. */
async function ask(change: Record<string, unknown>): Promise<void> {
  const client = new OpenAI({ baseURL: `${state.addresses.runtime}/v1`, apiKey: 'x', maxRetries: 0 });
  const body = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 40, ...change };
  try {
    const answer = await client.chat.completions.create(body as never);
    if (change.stream) for await (const _chunk of answer as unknown as AsyncIterable<unknown>);
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
  }
}

async function query(expression: string, at: Date): Promise<number | undefined> {
  const parameters = new URLSearchParams({ query: expression, time: String(at.getTime() / 1000) });
  const response = await fetch(`${state.addresses.prometheus}/api/v1/query?${parameters}`);
  const body = (await response.json()) as {
    status: string;
    error?: string;
    data: { result: { value: [number, string] }[] };
  };
  if (body.status !== 'success') throw new Error(`${body.error} in ${expression}`);
  const value = Number(body.data.result[0]?.value[1]);
  return Number.isFinite(value) ? value : undefined;
}

const stored = async (): Promise<number> => {
  const [row] = (await store.query('SELECT count(*)::int AS n FROM request')) as [{ n: number }];
  return row.n;
};

/** Of every kind: streamed and not, cut short, refused for a mistake, refused as the queue is full. */
async function traffic(model: string): Promise<number> {
  const mistakes = [ask({ model: 'no-such' }), ask({ model, max_tokens: -1 })];
  const calm = [ask({ model, stream: true, max_tokens: 400 }), ask({ model, max_tokens: 3 })];
  await Promise.all([...mistakes, ...calm]);
  await Promise.all(Array.from({ length: 12 }, (_, i) => ask({ model, stream: i % 2 === 0 })));
  return mistakes.length + calm.length + 12;
}

describe.skipIf(!present)('Prometheus says what PostgreSQL says', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigil-e2e-prometheus-'));
    const replay = join(folder, 'replay.json');
    await writeFile(replay, JSON.stringify({ loop: true, steps: [{ recording: 'h200-load', seconds: 60 }] }));
    launcher = await Launcher.run({
      PROMETHEUS: 'true',
      PROMETHEUS_SCRAPE_INTERVAL: '1s',
      GPU_SOURCE: 'replay',
      GPU_INTERVAL: '1s',
      NODE_INTERVAL: '1s',
      REPLAY_SCRIPT: replay,
      SLOTS: '1',
      QUEUE_MAX: '6',
    });
    state = await launcher.ready();
    store = createStore({ url: state.databaseUrl, applicationName: 'e2e' });
    await store.initialize();
    const models = await new OpenAI({ baseURL: `${state.addresses.runtime}/v1`, apiKey: 'x' }).models.list();
    const model = models.data[0]!.id;
    // A counter's first value is no increase to Prometheus: every series must exist before the comparison begins.
    let sent = await traffic(model);
    await until('the first rows', async () => (await stored()) === sent);
    await until('the first scrape', () => query('sum(vigil_requests_total)', new Date()));
    await pause(3000);
    // Quiet at both edges: where exactly Prometheus's first and last scrape fall does not matter then.
    from = new Date(Date.now() - 1500);
    for (let i = 0; i < 3; i++) {
      sent += await traffic(model);
      await pause(1000);
    }
    await until('all rows', async () => (await stored()) === sent);
    await pause(3000);
    to = new Date();
  }, 120_000);

  afterAll(async () => {
    await store.destroy();
    await launcher.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const ours = async (signal: Signal): Promise<number | undefined> => {
    const values =
      takesWindow(signal) === 'always'
        ? await readWindow(store, signal, { from, to, by: [] })
        : await readLatest(store, signal, to, []);
    return values[0]?.value;
  };

  /** How far the two may lie apart. */
  const leeway = ({ compute }: Signal, value: number, seconds: number): number => {
    switch (compute.kind) {
      // Between a reading and the scrape that sees it lies up to a second, and the node's readings change by nature.
      case 'age':
        return 3;
      case 'gauge':
        return compute.fact === 'node' ? Infinity : Math.abs(value) * 1e-9;
      // Prometheus extrapolates a counter's increase to the window's edges, and no further than to where it was zero: that
      // stretches rates by up to two scrapes, and moves a quotient of several series by a little.
      case 'rate':
      case 'counter':
      case 'count':
        return Math.abs(value) * (2.5 / seconds);
      default:
        return Math.abs(value) * 0.05;
    }
  };

  it.each(SIGNALS.map((s) => [s.id, s] as const))('%s', async (_, signal) => {
    const seconds = Math.round((to.getTime() - from.getTime()) / 1000);
    const theirs = await query(signal.promql([], `${seconds}s`), to);
    const value = await ours(signal);
    if (value === undefined) {
      // The collector says 0 of the codes that rules ask for, so that Prometheus sees the first event as an increase.
      expect(signal.compute.kind === 'count' ? theirs || undefined : theirs).toBeUndefined();
      return;
    }
    expect(Math.abs(theirs! - value)).toBeLessThanOrEqual(leeway(signal, value, seconds) + 1e-9);
  });

  it('and most signals had a value to compare', async () => {
    // A machine without NVLink, RDMA or XIDs has no values of these.
    const served = SIGNALS.filter((s) => s.layer !== 'infrastructure');
    const values = await Promise.all(served.map(ours));
    expect(values.filter((v) => v !== undefined).length).toBeGreaterThan(served.length - 3);
    expect(await ours(SIGNALS.find((s) => s.id === 'gpu.memory.ratio')!)).toBeGreaterThan(0);
    expect(await ours(SIGNALS.find((s) => s.id === 'gpu.silence')!)).toBeLessThan(10);
    const errors = await ours(SIGNALS.find((s) => s.id === 'request.error.ratio')!);
    expect(errors).toBeGreaterThan(0);
  });

  it('answers every query of the dashboard', async () => {
    const dashboard = JSON.parse(await readFile(join(ROOT, 'dashboards/vigil-overview.json'), 'utf8')) as {
      panels: { title: string; targets?: { expr: string }[] }[];
    };
    const empty: string[] = [];
    for (const { title, targets = [] } of dashboard.panels)
      for (const { expr } of targets) {
        const plain = expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(node|model)/g, '.*');
        if ((await query(plain, to)) === undefined) empty.push(title);
      }
    expect(empty.filter((title) => !MAY_BE_EMPTY.has(title))).toEqual([]);
  });

  it('scrapes all three processes and knows the three rules', async () => {
    const targets = (await (await fetch(`${state.addresses.prometheus}/api/v1/targets`)).json()) as {
      data: { activeTargets: { labels: { job: string }; health: string }[] };
    };
    expect(targets.data.activeTargets.map((t) => `${t.labels.job} ${t.health}`).toSorted()).toEqual([
      'api up',
      'collector up',
      'runtime up',
    ]);
    const rules = (await (await fetch(`${state.addresses.prometheus}/api/v1/rules`)).json()) as {
      data: { groups: { rules: { name: string; health: string }[] }[] };
    };
    expect(rules.data.groups.flatMap((g) => g.rules.map((r) => r.name))).toEqual(
      expect.arrayContaining(['ErrorRatioHigh', 'GpuMemoryHigh', 'ResponseLatencyHigh']),
    );
  });
});

/** Panels that are rightly empty on a healthy demonstration machine. */
/** The bundled runtime preempts nobody. */
const MAY_BE_EMPTY = new Set<string>(['Preemptions']);
