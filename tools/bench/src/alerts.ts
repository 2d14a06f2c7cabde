import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PostgresServer } from '@vigil/postgres';
import { connect, createStore } from '@vigil/store';
import { feed, fill, fleet, GPUS, HOLD, RULES, writeRules, type Gpu } from './alerts-fleet.js';
import { DAYS, fillHistory, ROWS } from './alerts-history.js';
import { startPrometheus } from './alerts-prometheus.js';
import { quantile } from './statistics.js';
import type { Bench, BenchResult } from './types.js';

const MAIN = fileURLToPath(new URL('../../../apps/api/dist/main.js', import.meta.url));
/** Milliseconds between two GPUs that become full, on average: at a moment that no clock of ours knows. */
const PACE_MS = 500;
/** Beats that are not counted: caches fill, the first states are written. */
const WARM_UP_MS = 12_000;
const PATIENCE_MS = 120_000;

interface Beats {
  count: number;
  seconds: number;
  /** By upper bound. */
  buckets: Map<number, number>;
  overlaps: number;
}

/** From the end of `for` to the webhook, and how long beats take. */
export const bench: Bench = {
  title: `How soon somebody is told: ${RULES} rules, ${GPUS} GPUs, a beat a second, ${ROWS / 1e6} million requests in PostgreSQL.`,
  async run(say, rows = ROWS): Promise<BenchResult> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
    const started: ChildProcess[] = [];
    const servers: Server[] = [];
    const postgres = await PostgresServer.prepare({
      folder: join(folder, 'postgres'),
      port: 0,
      settings: { max_wal_size: '8GB' },
    });
    await postgres.start();
    const store = createStore({ url: postgres.url(), applicationName: 'bench', statementSeconds: 1200 });
    const feeding = new AbortController();
    try {
      await connect(store, postgres.url());
      say('filling seven days …');
      await fillHistory(store, new Date(), rows, say);
      await writeRules(join(folder, 'rules'));
      say('measuring Vigil …');
      const ours = await listen(servers);
      const full = new Set<Gpu>();
      const fed = feed(store, full, feeding.signal);
      const api = await startApi(started, postgres.url(), join(folder, 'rules'), ours.url);
      await sleep(WARM_UP_MS);
      const before = await beatsOf(api);
      const vigil = await trial((gpu) => fill(store, full, gpu), ours.arrived);
      const beats = difference(await beatsOf(api), before);
      feeding.abort();
      await fed;
      await end(started);
      say('measuring Prometheus and Alertmanager …');
      const theirs = await listen(servers);
      const also = new Set<Gpu>();
      const { exporter } = await startPrometheus(folder, also, theirs.url, started);
      servers.push(exporter);
      const fillNow = async (gpu: Gpu): Promise<number> => {
        also.add(gpu);
        return Date.now();
      };
      const prometheus = await trial(fillNow, theirs.arrived);
      return report(rows, vigil, prometheus, beats);
    } finally {
      feeding.abort();
      await end(started);
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      await store.destroy();
      await postgres.stop();
      await rm(postgres.folder, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
    }
  },
};

const keyOf = ({ node, gpu }: { node?: string; gpu?: string }): string => `${node}/${gpu}`;

/** Takes webhooks of both forms, and notes when each GPU was told of first. */
async function listen(servers: Server[]): Promise<{ url: string; arrived: Map<string, number> }> {
  const arrived = new Map<string, number>();
  const server = createServer((request, response) => {
    const at = Date.now();
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { labels?: Gpu; alerts?: { labels: Gpu }[] };
      for (const { labels } of body.alerts ?? [{ labels: body.labels! }])
        if (!arrived.has(keyOf(labels))) arrived.set(keyOf(labels), at);
      response.end('ok');
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, arrived };
}

/** Every GPU becomes full once. @returns seconds from the end of `for` to the webhook, of each */
async function trial(make: (gpu: Gpu) => Promise<number>, arrived: ReadonlyMap<string, number>): Promise<number[]> {
  const due = new Map<string, number>();
  for (const gpu of fleet) {
    due.set(keyOf(gpu), (await make(gpu)) + HOLD * 1000);
    await sleep(PACE_MS * (0.5 + Math.random()));
  }
  const limit = Date.now() + PATIENCE_MS;
  while (arrived.size < fleet.length && Date.now() < limit) await sleep(100);
  return [...due].map(([key, at]) => ((arrived.get(key) ?? Number.POSITIVE_INFINITY) - at) / 1000);
}

async function startApi(started: ChildProcess[], databaseUrl: string, rules: string, webhook: string): Promise<string> {
  const child = fork(MAIN, {
    env: {
      PATH: process.env.PATH,
      API_PORT: '0',
      DATABASE_URL: databaseUrl,
      RULES_DIR: rules,
      EVALUATION_INTERVAL: '1s',
      WEBHOOK_URL: webhook,
      LOG_LEVEL: 'error',
    },
  });
  started.push(child);
  for (;;) {
    const [message] = (await once(child, 'message')) as [
      { type: string; addresses?: { api: string }; message?: string },
    ];
    if (message.type === 'ready') return message.addresses!.api;
    if (message.type === 'failed') throw new Error(message.message);
  }
}

async function end(started: ChildProcess[]): Promise<void> {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

async function beatsOf(api: string): Promise<Beats> {
  const text = await (await fetch(`${api}/metrics`)).text();
  const value = (pattern: string): number => Number(new RegExp(`^${pattern} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  const name = 'vigil_rule_evaluation_duration_seconds';
  const buckets = [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"[^}]*\\} (\\d+)$`, 'gm'))];
  return {
    count: value(`${name}_count\\{[^}]*\\}`),
    seconds: value(`${name}_sum\\{[^}]*\\}`),
    buckets: new Map(buckets.map(([, le, count]) => [le === '+Inf' ? Infinity : Number(le), Number(count)])),
    overlaps: value('vigil_evaluation_beats_total\\{result="overlap"[^}]*\\}'),
  };
}

const difference = (after: Beats, before: Beats): Beats => ({
  count: after.count - before.count,
  seconds: after.seconds - before.seconds,
  buckets: new Map([...after.buckets].map(([le, count]) => [le, count - (before.buckets.get(le) ?? 0)])),
  overlaps: after.overlaps - before.overlaps,
});

function report(requests: number, vigil: readonly number[], prometheus: readonly number[], beats: Beats): BenchResult {
  const seconds = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : 'never');
  const row = (name: string, values: readonly number[]): string[] => [
    name,
    ...[0.5, 0.95, 0.99, 1].map((share) => seconds(quantile(values, share))),
  ];
  const within = (limit: number): string => `${((100 * (beats.buckets.get(limit) ?? 0)) / beats.count).toFixed(0)} %`;
  return {
    tables: [
      {
        caption: `From the end of \`for\` (${HOLD} s) to the request at the webhook, of ${GPUS} alerts, seconds`,
        columns: ['', 'median', 'p95', 'p99', 'longest'],
        rows: [
          row('Vigil, a beat a second', vigil),
          row('Prometheus and Alertmanager at their defaults (15 s, 15 s, group_wait 30 s)', prometheus),
        ],
      },
      {
        caption: `A beat of ${RULES} rules with ${requests / 1e6} million requests over ${DAYS} days`,
        columns: [
          'beats',
          'mean, ms',
          'within 150 ms',
          'within 200 ms',
          'within 500 ms',
          'skipped as the last one still ran',
        ],
        rows: [
          [
            String(beats.count),
            ((1000 * beats.seconds) / beats.count).toFixed(0),
            within(0.15),
            within(0.2),
            within(0.5),
            String(beats.overlaps),
          ],
        ],
      },
    ],
    notes: [
      `The condition begins when its first reading is committed (Prometheus: when the exporter would say it), at random moments, ${1000 / PACE_MS} GPUs a second.`,
      'Nine rules are on each GPU alone (one of them fires), 60 on all GPUs, 40 on requests over a minute to an hour. Each GPU is written once a second, and 16 requests. PostgreSQL, the API and what feeds them share the machine.',
      'Each message carries its incident. Prometheus has one rule over all GPUs, and each alert its own group (in one group all but the first would wait for group_interval, 5 min): both in its favour.',
    ],
  };
}
