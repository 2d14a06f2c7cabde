import { once } from 'node:events';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuSamples, writeRequests } from '@vigil/store';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { gpuRow, requestRow } from '@vigil/store/testing';
import { GPU_RULE, startReceiver, testConfig, writeRules, type Receiver } from '../testing.js';

const ERROR_RULE = `alert: Failing
signal: request.error.ratio
condition: { above: 0.05 }
over: 10m
by: [model]
severity: critical
summary: '{{ $value }} of the requests to {{ $labels.model }} fail'
action: docs/runbooks/error-ratio-high.md
`;

/** A way to PostgreSQL that can be cut and mended. */
class Cable {
  private readonly sockets = new Set<Socket>();
  private cut = false;
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async lay(target: string): Promise<Cable> {
    const { hostname, port } = new URL(target);
    const server = createServer((inner) => {
      if (cable.cut) return void inner.destroy();
      const outer = connectTcp(Number(port), hostname);
      for (const [a, b] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        cable.sockets.add(a);
        a.on('error', () => undefined).on('close', () => {
          cable.sockets.delete(a);
          b.destroy();
        });
        a.pipe(b);
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as { port: number }).port);
    const cable = new Cable(server, url.href);
    return cable;
  }

  break(): void {
    this.cut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.cut = false;
  }

  async remove(): Promise<void> {
    this.break();
    this.server.close();
    await once(this.server, 'close');
  }
}

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules({ 'gpu.yaml': GPU_RULE, 'errors.yaml': ERROR_RULE });
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
  await rules.remove();
});

let receiver: Receiver;
let apps: App[] = [];
let scopes = 0;
let scope: string;
beforeEach(async () => {
  receiver = await startReceiver();
  scope = `evaluator-${++scopes}`;
  await database.query('TRUNCATE gpu_sample, gpu_minute, request, request_minute');
});
afterEach(async () => {
  for (const app of apps) await app.stop();
  apps = [];
  await receiver.close();
});

async function startApi(url = database.url, graceSeconds = 0, folder = rules.folder): Promise<string> {
  const env = { DATABASE_URL: url, RULES_DIR: folder, ALERT_SCOPE: scope, SLACK_WEBHOOK_URL: receiver.url };
  const app = createApp({ config: testConfig(env), log: createLogger('api', 'silent'), graceSeconds });
  apps.push(app);
  return (await app.start()).api!;
}

const metric = async (api: string, series: string): Promise<number> => {
  const lines = (await (await fetch(`${api}/metrics`)).text()).split('\n');
  const line = lines.find(
    (l) =>
      l.startsWith(`${series.split('{')[0]}{`) &&
      (/{(.*)}/.exec(series)?.[1] ?? '').split(',').every((part) => l.includes(part)),
  );
  return line === undefined ? Number.NaN : Number(line.slice(line.lastIndexOf(' ')));
};
const beats = (api: string) => metric(api, 'vigil_evaluation_beats_total{result="evaluated"}');
const someBeats = async (api: string) => {
  const before = (await beats(api)) || 0;
  await until('some beats', async () => (await beats(api)) > before + 2);
};
/** Keeps everybody from a table for some seconds; resolves once nobody gets at it any more. */
async function hold(table: string, seconds: number): Promise<{ released: Promise<unknown> }> {
  const released = database.query(
    `BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(${seconds}); COMMIT`,
  );
  const held = `SELECT count(*)::int AS n FROM pg_locks
    WHERE relation = '${table}'::regclass AND mode = 'AccessExclusiveLock' AND granted`;
  await until('the lock', async () => (await database.query(held))[0]!.n === 1);
  return { released };
}
const headlines = () => receiver.received.map(({ body }) => body.blocks[0].text.text as string);
const states = async () =>
  Object.fromEntries(
    (await database.query('SELECT rule, state FROM alert WHERE scope = $1', [scope])).map((r) => [r.rule, r.state]),
  );

describe('a counted signal', () => {
  it('fires over its window, by label, and counts what the server is answerable for alone', async () => {
    const rows = [
      ...Array.from({ length: 18 }, () => requestRow({ model: 'bad' })),
      requestRow({ model: 'bad', outcome: 'error', errorType: '500', responseLatency: null }),
      requestRow({ model: 'bad', outcome: 'rejection', errorType: '400', responseLatency: null }),
      ...Array.from({ length: 19 }, () => requestRow({ model: 'good' })),
      requestRow({ model: 'good', outcome: 'error', errorType: '500', responseLatency: null }),
      requestRow({ model: 'worse', outcome: 'error', errorType: '500', responseLatency: null }),
    ];
    await writeRequests(
      store,
      rows.map((row) => ({ ...row, endedAt: new Date(Date.now() - 5_000) })),
    );
    const api = await startApi();
    await until('the message', () => receiver.received.length > 0);
    await someBeats(api);
    expect(receiver.received.map(({ body }) => body.text)).toEqual([
      '🔴 Firing: Failing: 100 % of the requests to worse fail',
    ]);
    expect(await metric(api, 'vigil_alerts{rule="Failing",state="firing"}')).toBe(1);
    expect(await metric(api, 'vigil_alerts{rule="Failing",state="inactive"}')).toBe(2);
    expect(await metric(api, 'vigil_evaluator_leader')).toBe(1);
  });
});

describe('a rule that can not be evaluated', () => {
  it('stops no other, is told, and leaves its alerts as they were', async () => {
    await writeGpuSamples(store, [gpuRow(0.95)]);
    const api = await startApi();
    await until('the message', () => receiver.received.length === 1);
    await database.query('ALTER TABLE gpu_sample RENAME TO gpu_sample_away');
    try {
      await until(
        'a failure',
        async () => (await metric(api, 'vigil_rule_evaluation_failures_total{rule="GpuFull"}')) > 1,
      );
      await writeRequests(store, [
        requestRow({ outcome: 'error', responseLatency: null, endedAt: new Date(Date.now() - 5_000) }),
      ]);
      await until('the other rule', () => receiver.received.length === 2);
      expect(await states()).toEqual({ GpuFull: 'firing', Failing: 'firing' });
      const { items } = (await (await fetch(`${api}/api/v1/rules`)).json()) as {
        items: { rule: string; error: string | null }[];
      };
      expect(items.find((r) => r.rule === 'GpuFull')!.error).toContain('gpu_sample');
      expect(items.find((r) => r.rule === 'Failing')!.error).toBeNull();
    } finally {
      await database.query('ALTER TABLE gpu_sample_away RENAME TO gpu_sample');
    }
    await until('it to be well again', async () => {
      const { items } = (await (await fetch(`${api}/api/v1/rules`)).json()) as { items: { error: string | null }[] };
      return items.every((item) => item.error === null);
    });
    expect(headlines()).toEqual(['🔴 Firing: GpuFull', '🔴 Firing: Failing']);
  });
});

describe('PostgreSQL that goes away', () => {
  it('skips beats, says so, and repeats nothing when it is back', async () => {
    const cable = await Cable.lay(database.url);
    const api = await startApi(cable.url);
    const ready = async () => (await fetch(`${api}/health/ready`)).status;
    await writeGpuSamples(store, [gpuRow(0.95)]);
    await until('the message', () => receiver.received.length === 1);
    cable.break();
    await until('it to say so', async () => (await ready()) === 503);
    expect((await fetch(`${api}/health/live`)).status).toBe(200);
    const answer = await fetch(`${api}/api/v1/alerts`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await answer.json()).toEqual({
      error: {
        code: 'database_unavailable',
        message: 'PostgreSQL does not answer at the moment. Try again in a few seconds.',
      },
    });
    expect(await (await fetch(api)).text()).toContain('PostgreSQL does not answer');
    await until(
      'beats to be skipped',
      async () => (await metric(api, 'vigil_evaluation_beats_total{result="failed"}')) > 1,
    );
    cable.mend();
    await until('it to be well', async () => (await ready()) === 200);
    await someBeats(api);
    await writeGpuSamples(store, [gpuRow(0.3)]);
    await until('the end', () => receiver.received.length > 1);
    expect(headlines()).toEqual(['🔴 Firing: GpuFull', '🟢 Resolved: GpuFull']);
    await apps.pop()!.stop();
    await cable.remove();
  });
});

describe('PostgreSQL that hangs', () => {
  it('is not called well: readers are refused in seconds, and the process says that it does not evaluate', async () => {
    const api = await startApi();
    await someBeats(api);
    const { released } = await hold('alert', 12);
    const read = fetch(`${api}/api/v1/alerts`);
    await until('it to say so', async () => {
      const answer = await fetch(`${api}/health/ready`);
      return answer.status === 503 && (await answer.text()).includes('The rules are being evaluated for');
    });
    expect((await read).status).toBe(503);
    await released;
    await until('it to be well', async () => (await fetch(`${api}/health/ready`)).status === 200);
  });
});

describe('readers that hold every connection of theirs', () => {
  it('do not stop a beat', async () => {
    const gpuOnly = await writeRules({ 'gpu.yaml': GPU_RULE });
    const api = await startApi(database.url, 0, gpuOnly.folder);
    await someBeats(api);
    // The rule reads other tables than the one that these readers wait for.
    const { released } = await hold('request', 6);
    const reads = Array.from({ length: 8 }, () => fetch(`${api}/api/v1/requests`));
    const waiting = () =>
      database.query(
        `SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database()
           AND application_name = 'vigil-api' AND wait_event_type = 'Lock' ORDER BY pid`,
      );
    await until('all of them to wait', async () => (await waiting()).length === 4);
    const before = await waiting();
    await writeGpuSamples(store, [gpuRow(0.95)]);
    await until('the message', () => receiver.received.length === 1);
    // The same four still wait: no connection of theirs was free in between.
    expect(await waiting()).toEqual(before);
    await released;
    const answers = await Promise.all(reads);
    expect(answers.every(({ status }) => status === 200 || status === 503)).toBe(true);
    await gpuOnly.remove();
  });
});

describe('after a start', () => {
  it('a firing alert whose data are not there yet is not said to have none', async () => {
    await writeGpuSamples(store, [gpuRow(0.95)]);
    await startApi();
    await until('the message', () => receiver.received.length === 1);
    await apps.pop()!.stop();
    await database.query('TRUNCATE gpu_sample');
    await someBeats(await startApi(database.url, 3600));
    expect((await states()).GpuFull).toBe('firing');
    expect(receiver.received).toHaveLength(1);
  });

  it('without its rule, a firing alert is ended, with the reason', async () => {
    await writeGpuSamples(store, [gpuRow(0.95)]);
    await startApi();
    await until('the message', () => receiver.received.length === 1);
    await apps.pop()!.stop();
    const others = await writeRules({ 'errors.yaml': ERROR_RULE });
    await startApi(database.url, 0, others.folder);
    await until('the end', () => receiver.received.length === 2);
    expect(headlines()[1]).toBe('🟢 Resolved: GpuFull');
    expect(JSON.stringify(receiver.received[1]!.body)).toContain('The rule was removed while it fired');
    expect(await states()).toEqual({});
    await others.remove();
  });
});
