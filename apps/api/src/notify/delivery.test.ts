import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { gpuRow } from '@vigil/store/testing';
import { answer, GPU_RULE, silence, startReceiver, testConfig, writeRules, type Receiver } from '../testing.js';

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules({ 'gpu.yaml': GPU_RULE });
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
  await rules.remove();
});

let receiver: Receiver;
let app: App;
let scopes = 0;
let scope: string;
let node: string;
beforeEach(async () => {
  receiver = await startReceiver();
  // A GPU and a scope of its own for each test: alerts of the ones before are no concern of it.
  scope = `delivery-${++scopes}`;
  node = `node-${scopes}`;
  await database.query('DELETE FROM gpu_sample');
});
afterEach(async () => {
  await app.stop();
  await receiver.close();
});

async function startApi(env: Record<string, string> = {}): Promise<string> {
  const config = testConfig({
    DATABASE_URL: database.url,
    RULES_DIR: rules.folder,
    ALERT_SCOPE: scope,
    SLACK_WEBHOOK_URL: receiver.url,
    ...env,
  });
  app = createApp({ config, log: createLogger('api', 'silent'), graceSeconds: 0 });
  return (await app.start()).api!;
}

const fill = (ratio: number, change = {}) => writeGpuSamples(store, [gpuRow(ratio, { node, ...change })]);
const headlines = () => receiver.received.map(({ body }) => body.blocks[0].text.text as string);
const outbox = () =>
  database.query<{ status: string; attempts: number; last_error: string | null; idempotency_key: string }>(
    'SELECT status, attempts, last_error, idempotency_key FROM notification WHERE scope = $1 ORDER BY id',
    [scope],
  );
const settled = (count: number) =>
  until(`${count} messages to be settled`, async () => {
    const rows = await outbox();
    return rows.length === count && rows.every((row) => row.status !== 'waiting') && rows;
  });

describe('an alert', () => {
  it('is told when it fires and when it resolves, once each', async () => {
    const api = await startApi({ PUBLIC_URL: 'https://vigil.example/' });
    await fill(0.95);
    await settled(1);
    await fill(0.5);
    await settled(2);
    await fill(0.6);
    expect(headlines()).toEqual(['🔴 Firing: GpuFull', '🟢 Resolved: GpuFull']);
    const firing = JSON.stringify(receiver.received[0]!.body);
    for (const part of ['95 %', 'above 90 %', `node: ${node}`, 'gpu: 0', 'What to do', 'nvidia-smi', '#d00000'])
      expect(firing).toContain(part);
    expect(firing).toContain('*Why*\\n• Too little is known of the time before to say what moved first.');
    expect(firing).toMatch(/<https:\/\/vigil\.example\/api\/v1\/alerts\/\d+\|Alert>/);
    expect(firing).toContain('<https://vigil.example/api/v1/rules/GpuFull/runbook|Runbook>');
    expect(firing).not.toMatch(/resolved/i);
    const history = await (await fetch(`${api}/api/v1/alerts/history`)).text();
    expect(history).toContain('"status": "sent"'.replace(' ', ''));
    expect(history).not.toContain('sEcReT');
  });

  it('whose data end is said to have no data, and not to be over', async () => {
    await startApi();
    await fill(0.95);
    await settled(1);
    await database.query('DELETE FROM gpu_sample WHERE node = $1', [node]);
    await settled(2);
    await fill(0.96);
    await until('the alert to fire on', async () => {
      const rows = await database.query('SELECT state FROM alert WHERE scope = $1', [scope]);
      return rows[0]!.state === 'firing';
    });
    await fill(0.2);
    await settled(3);
    expect(headlines()).toEqual(['🔴 Firing: GpuFull', '⚪ No data: GpuFull', '🟢 Resolved: GpuFull']);
  });

  it('of a replayed GPU is marked as such', async () => {
    await startApi();
    await fill(0.95, { replay: true });
    await settled(1);
    expect(headlines()).toEqual(['🔴 Firing: GpuFull (replay)']);
    expect(JSON.stringify(receiver.received[0]!.body)).toContain('No GPU of yours is concerned');
  });

  it('with markup in its labels is told without harm', async () => {
    await startApi();
    node = '<!channel> & <https://evil.example|click>\n*b*';
    await fill(0.95);
    await settled(1);
    const text = JSON.stringify(receiver.received[0]!.body);
    expect(text).toContain('&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; *b*');
    expect(text).not.toMatch(/<!channel>|<https:\/\/evil/);
  });

  it('goes to a plain webhook, too', async () => {
    const other = await startReceiver();
    await startApi({ WEBHOOK_URL: other.url.replace('http://', 'http://user:pa%20ss@') });
    await fill(0.95);
    await settled(2);
    const { body, headers } = other.received[0]!;
    expect(headers.authorization).toBe(`Basic ${Buffer.from('user:pa ss').toString('base64')}`);
    expect(body).toMatchObject({
      status: 'firing',
      rule: 'GpuFull',
      value: 0.95,
      valueText: '95 %',
      threshold: 0.9,
      severity: 'critical',
      labels: { node, gpu: '0', replay: 'false' },
      key: headers['idempotency-key'],
    });
    await other.close();
  });
});

describe('a receiver', () => {
  it('that answers 500 is asked again, with the same key', async () => {
    receiver.script.push(answer(500), answer(503));
    await startApi();
    await fill(0.95);
    expect(await settled(1)).toMatchObject([{ status: 'sent', attempts: 3, last_error: null }]);
    expect(receiver.received).toHaveLength(3);
    expect(new Set(receiver.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
  });

  it('that answers 429 is left alone for as long as it asks', async () => {
    receiver.script.push(answer(429, { 'retry-after': '3' }));
    await startApi();
    await fill(0.95);
    await settled(1);
    const [first, second] = receiver.received;
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(3000);
    expect(receiver.received).toHaveLength(2);
  });

  it('that says nothing is given up on after the timeout, and asked again', async () => {
    receiver.script.push(silence);
    await startApi({ NOTIFY_TIMEOUT: '300ms' });
    await fill(0.95);
    const [row] = await until('the first failure', async () => {
      const rows = await outbox();
      return rows[0] && (rows[0].last_error !== null || rows[0].status === 'sent') ? rows : undefined;
    });
    if (row!.status === 'waiting') expect(row!.last_error).toBe('No answer within 0.3 s.');
    expect(await settled(1)).toMatchObject([{ status: 'sent', attempts: 2 }]);
  });

  it('that answers without end is not read to the end', async () => {
    receiver.script.push((response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(timer));
    });
    await startApi();
    await fill(0.95);
    expect(await settled(1)).toMatchObject([{ status: 'sent', attempts: 1 }]);
  });

  it.each([
    [answer(404, {}, 'no_service'), 'The receiver answered 404 (no_service). Correct the channel'],
    [answer(403, {}, 'Cannot POST /services/T000/B000/sEcReT'), 'The receiver answered 403. Correct the channel'],
    [answer(302, { location: 'http://127.0.0.1:1/' }), 'The receiver answered 302: a redirect, which is not followed.'],
  ])('that refuses for good is not asked again, and the reason is kept', async (refusal, reason) => {
    receiver.script.push(refusal);
    const api = await startApi();
    await fill(0.95);
    const [row] = await settled(1);
    expect(row).toMatchObject({ status: 'dead', attempts: 1 });
    expect(row!.last_error).toContain(reason);
    const history = await (await fetch(`${api}/api/v1/alerts/history?to_state=firing`)).text();
    expect(history).toContain(reason);
    expect(history).not.toContain('sEcReT');
    // What follows is not held up by it.
    await fill(0.5);
    expect((await settled(2))[1]).toMatchObject({ status: 'sent' });
  });

  it('hears of the end only after it heard of the beginning', async () => {
    receiver.script.push(answer(500), answer(500));
    await startApi();
    await fill(0.95);
    await until('the first attempt', () => receiver.received.length > 0);
    await fill(0.5);
    await settled(2);
    expect(headlines()).toEqual([...Array.from({ length: 3 }, () => '🔴 Firing: GpuFull'), '🟢 Resolved: GpuFull']);
  });
});

describe('without a channel', () => {
  it('what happened is kept all the same', async () => {
    const api = await startApi({ SLACK_WEBHOOK_URL: '' });
    await fill(0.95);
    const history = await until('the transition', async () => {
      const page = (await (await fetch(`${api}/api/v1/alerts/history`)).json()) as { items: Record<string, unknown>[] };
      return page.items.length > 0 && page.items;
    });
    expect(history[0]).toMatchObject({
      rule: 'GpuFull',
      from: 'inactive',
      to: 'firing',
      value: 0.95,
      notifications: [],
    });
    expect(await outbox()).toEqual([]);
  });
});
