import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { gpuRow } from '@vigil/store/testing';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from './app.js';
import { answer, GPU_RULE, startReceiver, testConfig, writeRules, type Receiver } from './testing.js';

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
let listener: Receiver;
let apps: App[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  // A process finds out that another one evaluates from the alerts that it wrote.
  await writeGpuSamples(store, [gpuRow(0.5)]);
  rules = await writeRules({ 'gpu.yaml': GPU_RULE });
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
  await rules.remove();
});
beforeEach(async () => {
  listener = await startReceiver();
});
afterEach(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  apps = [];
  await listener.close();
});

async function start(env: Record<string, string> = {}): Promise<string> {
  const settings = { DATABASE_URL: database.url, RULES_DIR: rules.folder, HEARTBEAT_URL: listener.url, ...env };
  const app = createApp({
    config: testConfig({ HEARTBEAT_INTERVAL: '1s', ...settings }),
    log: createLogger('api', 'silent'),
  });
  apps.push(app);
  return (await app.start()).api!;
}

const metric = async (api: string, name: string): Promise<number | undefined> => {
  const text = await (await fetch(`${api}/metrics`)).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith(`${name.split('{')[0]}{`) && one.includes(name.split('{')[1] ?? ''));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
};

describe('the heartbeat', () => {
  it('beats while the rules are evaluated, not while they are not, and again afterwards', async () => {
    const api = await start();
    await until('two beats', () => listener.received.length >= 2);
    expect(listener.received[0]!.body).toMatchObject({ status: 'ok', at: expect.stringMatching(/Z$/) });
    // Beats of the rules hang: the process lives, answers, and must not claim that all is well.
    const lock = store.createQueryRunner();
    await lock.connect();
    await lock.startTransaction();
    await lock.query('LOCK TABLE alert IN ACCESS EXCLUSIVE MODE');
    // A start that took its time was withheld, too.
    const withheld = async () => (await metric(api, 'vigil_heartbeats_total{result="withheld"')) ?? 0;
    const known = await withheld();
    let before: number;
    try {
      await until('it to be withheld', async () => (await withheld()) > known);
      expect(await metric(api, 'vigil_evaluation_lag_seconds')).toBeGreaterThan(3);
      before = listener.received.length;
    } finally {
      await lock.rollbackTransaction();
      await lock.release();
    }
    await until('it to beat again', () => listener.received.length > before);
    expect(await metric(api, 'vigil_evaluation_lag_seconds')).toBeLessThan(5);
  });

  it('is that of the process which evaluates', async () => {
    // On a busy machine a beat is missed now and then, and the other one takes over, as it should: here none is due so soon.
    const slow = { EVALUATION_INTERVAL: '10s' };
    const apis = [await start(slow), await start(slow)];
    await until('a few beats', () => listener.received.length >= 3);
    const sent = await Promise.all(apis.map((api) => metric(api, 'vigil_heartbeats_total{result="sent"')));
    expect(sent.filter((count) => (count ?? 0) > 0)).toHaveLength(1);
    const lags = await Promise.all(apis.map((api) => metric(api, 'vigil_evaluation_lag_seconds')));
    expect(lags.filter((lag) => lag !== undefined)).toHaveLength(1);
  });

  it('that is refused is counted, and never shows its address', async () => {
    listener.script.push(answer(500), answer(302, { location: 'http://127.0.0.1:1/' }));
    const api = await start();
    await until('failures', async () => ((await metric(api, 'vigil_heartbeats_total{result="failed"')) ?? 0) >= 2);
    await until('one to arrive', async () => ((await metric(api, 'vigil_heartbeats_total{result="sent"')) ?? 0) >= 1);
    for (const path of ['/metrics', '/health/ready'])
      expect(await (await fetch(`${api}${path}`)).text()).not.toContain('sEcReT');
  });

  it('may not lead to a private address where that is not allowed', async () => {
    await expect(start({ NOTIFY_ALLOW_PRIVATE: 'none' })).rejects.toThrow(/^HEARTBEAT_URL leads to a private address/);
  });
});

it.skipIf(spawnSync('promtool', ['--version']).status !== 0)(
  'Prometheus’s rules on it are good, and name metrics that there are',
  async () => {
    const file = fileURLToPath(new URL('../../../alerts/prometheus.watcher.rules.yaml', import.meta.url));
    const { stdout } = await promisify(execFile)('promtool', ['check', 'rules', file]);
    expect(stdout).toContain('SUCCESS: 6 rules found');
    const api = await start();
    const text = await (await fetch(`${api}/metrics`)).text();
    for (const [name] of (await readFile(file, 'utf8')).matchAll(/vigil_\w+/g))
      expect(text).toContain(`# TYPE ${name} `);
  },
);
