import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { gpuRow } from '@vigil/store/testing';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { ALERTMANAGER, startAlertmanager } from '../testing-alertmanager.js';
import { GPU_RULE, startReceiver, testConfig, writeRules, type Receiver } from '../testing.js';

const KEY = 'a-key-of-the-tests';

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
let told: Receiver;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules({ 'gpu.yaml': GPU_RULE });
  told = await startReceiver();
});
afterAll(async () => {
  await told.close();
  await store.destroy();
  await database.drop();
  await rules.remove();
});
beforeEach(() => database.query('TRUNCATE alert_received'));

async function start(env: Record<string, string> = {}): Promise<{ app: App; url: string }> {
  const config = testConfig({
    DATABASE_URL: database.url,
    RULES_DIR: rules.folder,
    SLACK_WEBHOOK_URL: told.url,
    ALERTMANAGER_WEBHOOK_KEY: KEY,
    ...env,
  });
  const app = createApp({ config, log: createLogger('api', 'silent'), graceSeconds: 0 });
  return { app, url: (await app.start()).api! };
}

const alert = (change: object = {}) => ({
  status: 'firing',
  labels: { alertname: 'DiskFull', severity: 'critical', instance: 'db-1' },
  annotations: { summary: 'The disk of db-1 is full', runbook_url: 'https://example.org/disk' },
  startsAt: '2026-03-01T10:00:00Z',
  endsAt: '0001-01-01T00:00:00Z',
  generatorURL: 'http://prometheus.example/graph',
  fingerprint: 'c0ffee',
  ...change,
});
const webhook = (...alerts: object[]) => ({ version: '4', receiver: 'vigil', status: 'firing', alerts });

describe('a webhook of Alertmanager', () => {
  let api: { app: App; url: string };
  beforeAll(async () => {
    api = await start();
  });
  afterAll(() => api.app.stop());

  const post = async (body: unknown, authorization: string | undefined = `Bearer ${KEY}`) => {
    const response = await fetch(`${api.url}/api/v1/alertmanager`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as any };
  };
  const listed = async (query = 'source=alertmanager'): Promise<any[]> =>
    ((await (await fetch(`${api.url}/api/v1/alerts?${query}`)).json()) as any).items;

  it('stands beside ours, with its source', async () => {
    expect(await post(webhook(alert()))).toEqual({ status: 200, body: { stored: 1, own: 0 } });
    expect(await listed()).toMatchObject([
      {
        id: null,
        source: 'alertmanager',
        rule: 'DiskFull',
        labels: { instance: 'db-1' },
        state: 'firing',
        since: '2026-03-01T10:00:00.000Z',
        severity: 'critical',
        summary: 'The disk of db-1 is full',
        runbook: 'https://example.org/disk',
        link: 'http://prometheus.example/graph',
        signal: null,
      },
    ]);
    expect((await listed('state=firing')).map(({ source }) => source)).toContain('alertmanager');
    expect(await listed('source=vigil&rule=DiskFull')).toEqual([]);
  });

  it('is kept once, however often it comes, and stays over when the beginning comes late', async () => {
    const end = alert({ status: 'resolved', endsAt: new Date().toISOString() });
    await post(webhook(alert(), alert()));
    await post(webhook(alert()));
    expect(await listed()).toHaveLength(1);
    await post(webhook(end));
    await post(webhook(alert()));
    expect(await listed()).toMatchObject([{ state: 'resolved' }]);
    // A new beginning is a new alert.
    await post(webhook(alert({ startsAt: new Date().toISOString() })));
    expect((await listed()).map(({ state }) => state)).toEqual(['firing', 'resolved']);
  });

  it('tells nobody here', async () => {
    await post(webhook(alert()));
    expect(await database.query('SELECT 1 FROM notification')).toEqual([]);
  });

  it('takes the key as a password, too', async () => {
    const basic = Buffer.from(`alertmanager:${KEY}`).toString('base64');
    expect((await post(webhook(alert()), `Basic ${basic}`)).status).toBe(200);
  });

  it.each([
    ['no key', ''],
    ['a wrong key', 'Bearer a-key-of-the-test'],
    ['half a key', `Bearer ${KEY.slice(0, 8)}`],
    ['another scheme', `Digest ${KEY}`],
    ['a wrong password', `Basic ${Buffer.from('x:y').toString('base64')}`],
  ])('with %s is refused', async (_, authorization) => {
    const { status, body } = await post(webhook(alert()), authorization);
    expect(status).toBe(401);
    expect(JSON.stringify(body)).not.toContain(KEY);
    expect(await listed()).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['not JSON', '{', "can't be read"],
    ['no webhook', {}, '"version" is missing'],
    ['no list', { version: '4', alerts: 'x' }, '"alerts" must be a list'],
    ['another state', webhook(alert({ status: 'burning' })), 'must be firing or resolved'],
    ['a label that is no text', webhook(alert({ labels: { a: 1 } })), '"alerts.0.labels.a"'],
    ['no time', webhook(alert({ startsAt: 'soon' })), '"alerts.0.startsAt" must be a time'],
    ['too many', webhook(...Array.from({ length: 1001 }, () => alert())), 'more than 1000 alerts'],
  ])('that is %s is refused with a sentence', async (_, body, sentence) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toContain(sentence);
  });

  it('that is larger than a mebibyte is refused', async () => {
    expect((await post(webhook(alert({ annotations: { a: 'x'.repeat(2 ** 20) } })))).status).toBe(413);
  });

  it('with what would do harm is kept as text, and cut', async () => {
    const labels = {
      alertname: `x'); DROP TABLE alert; --`,
      evil: `<script>\0\ud800{{ $x }}"\n`,
      long: 'y'.repeat(5000),
    };
    const evil = alert({
      labels,
      generatorURL: 'javascript:alert(1)',
      annotations: { runbook_url: 'javascript:alert(1)' },
    });
    expect((await post(webhook(evil))).status).toBe(200);
    const [item] = await listed();
    expect(item).toMatchObject({ rule: labels.alertname, link: null, runbook: null });
    expect(item.labels.evil).toBe('<script>\ufffd{{ $x }}"\n');
    expect(item.labels.long).toHaveLength(1000);
  });

  it('is listed in pages with ours', async () => {
    await post(webhook(...['a', 'b', 'c'].map((id) => alert({ fingerprint: id, labels: { alertname: id } }))));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const response = await fetch(`${api.url}/api/v1/alerts?limit=1&source=alertmanager&cursor=${cursor}`);
      const { items, next } = (await response.json()) as any;
      seen.push(...items.map(({ rule }: any) => rule));
      cursor = next;
    }
    expect(seen).toEqual(['a', 'b', 'c']);
  });
});

it('without a key nothing comes in', async () => {
  const { app, url } = await start({ ALERTMANAGER_WEBHOOK_KEY: '' });
  const response = await fetch(`${url}/api/v1/alertmanager`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer ' },
    body: JSON.stringify(webhook(alert())),
  });
  expect(response.status).toBe(403);
  expect(((await response.json()) as any).error.message).toContain('ALERTMANAGER_WEBHOOK_KEY');
  await app.stop();
});

it.skipIf(ALERTMANAGER === undefined)(
  'a real Alertmanager tells us of others, and its echo of ours is left out',
  async () => {
    // Its address must be known before it starts, as that of the API must be to it.
    const echo = await startReceiver();
    const port = echo.port;
    await echo.close();
    const alertmanager =
      await startAlertmanager(`route: { receiver: vigil, group_by: [...], group_wait: 0s, group_interval: 1s }
receivers:
  - name: vigil
    webhook_configs:
      - url: http://127.0.0.1:${port}/api/v1/alertmanager
        send_resolved: true
        http_config: { authorization: { credentials: ${KEY} } }
`);
    const { app, url } = await start({
      API_PORT: String(port),
      ALERTMANAGER_URL: alertmanager.url,
      ALERT_SCOPE: 'echo',
    });
    try {
      await writeGpuSamples(store, [gpuRow(0.95)]);
      const counted = async (result: string): Promise<number> =>
        Number(new RegExp(`result="${result}",service="api"} (\\d+)`).exec(await received())?.[1] ?? 0);
      const received = async () =>
        (await (await fetch(`${url}/metrics`)).text())
          .split('\n')
          .filter((l) => l.startsWith('vigil_alerts_received_total'))
          .join('\n');
      await until('our own alert to come back', async () => (await counted('own')) > 0);
      const foreign = [{ labels: { alertname: 'Foreign', severity: 'warning' }, annotations: { summary: 'Not ours' } }];
      await fetch(`${alertmanager.url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(foreign),
      });
      await until('the other one', async () => (await counted('stored')) > 0);
      const { items } = (await (await fetch(`${url}/api/v1/alerts?state=firing`)).json()) as any;
      expect(items.map(({ source, rule }: any) => `${source} ${rule}`)).toEqual([
        'alertmanager Foreign',
        'vigil GpuFull',
      ]);
      expect(told.received.map(({ body }) => body.blocks[0].text.text)).toEqual(['🔴 Firing: GpuFull']);
    } finally {
      await app.stop();
      await alertmanager.stop();
    }
  },
);
