import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { gpuRow } from '@vigil/store/testing';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { answer, GPU_RULE, startReceiver, testConfig, writeRules, type Receiver } from '../testing.js';
import { startService } from './receivers/testing.js';

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

let slack: Receiver;
let app: App;
let api: string;
let scopes = 0;
let scope: string;
let node: string;
beforeEach(async () => {
  slack = await startReceiver();
  scope = `routing-${++scopes}`;
  node = `node-${scopes}`;
  await database.query('DELETE FROM gpu_sample');
});
afterEach(async () => {
  await app.stop();
  await slack.close();
});

async function start(env: Record<string, string> = {}, file?: string): Promise<void> {
  const path = join(rules.folder, `${scope}.notify`);
  if (file !== undefined) await writeFile(path, file);
  const config = testConfig({
    DATABASE_URL: database.url,
    RULES_DIR: rules.folder,
    ALERT_SCOPE: scope,
    SLACK_WEBHOOK_URL: slack.url,
    NOTIFY_ALLOW_PRIVATE: 'all',
    ...(file !== undefined && { NOTIFY_FILE: path }),
    ...env,
  });
  app = createApp({ config, log: createLogger('api', 'silent'), graceSeconds: 0 });
  api = (await app.start()).api!;
}

const fill = (ratio: number, gpu = '0') => writeGpuSamples(store, [gpuRow(ratio, { node, gpu })]);
const headlines = (receiver: Receiver) => receiver.received.map(({ body }) => body.blocks[0].text.text as string);
async function call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
  const response = await fetch(`${api}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: await response.json() };
}
const get = async (path: string): Promise<any[]> => (await call('GET', path)).body.items;
const outbox = (status: string) => get(`/api/v1/notifications?status=${status}`);
const someOf = (status: string, count = 1) =>
  until(`${count} messages to be ${status}`, async () => {
    const items = await outbox(status);
    return items.length >= count && items;
  });

describe('routes', () => {
  it('tell groups together, beside what the environment names', async () => {
    const pager = await startReceiver();
    const file = `receivers:
  pager: { webhook: { url: '${pager.url}', form: alertmanager } }
  nobody: { webhook: { url: '${pager.url}/never' } }
routes:
  - { match: { severity: warning }, to: nobody }
  - { match: { rule: Gpu* }, to: pager, group: [rule], wait: 1s, repeat: 1h }
  - to: nobody
`;
    await start({}, file);
    await fill(0.95, '0');
    await fill(0.97, '1');
    await someOf('sent', 3);
    expect(headlines(slack)).toEqual(['🔴 Firing: GpuFull', '🔴 Firing: GpuFull']);
    expect(pager.received).toHaveLength(1);
    expect(pager.received[0]!.body).toMatchObject({ status: 'firing', groupLabels: { rule: 'GpuFull' } });
    expect(pager.received[0]!.body.alerts.map((a: any) => a.labels.gpu).toSorted()).toEqual(['0', '1']);
    const history = await get('/api/v1/alerts/history?to_state=firing');
    for (const { notifications } of history)
      expect(notifications.map((n: any) => n.channel).toSorted()).toEqual(['pager', 'slack']);

    await fill(0.1, '0');
    await until('the group to be told', () => pager.received.length === 2);
    expect(pager.received[1]!.body).toMatchObject({ status: 'firing' });
    expect(pager.received[1]!.body.alerts.map((a: any) => `${a.labels.gpu} ${a.status}`).toSorted()).toEqual([
      '0 resolved',
      '1 firing',
    ]);

    // An hour later.
    await fill(0.99, '1');
    await until('the new value', async () => (await get('/api/v1/alerts?state=firing'))[0].value === 0.99);
    await database.query(
      `UPDATE notification_group SET told_at = told_at - interval '1h', next_at = now() WHERE scope = $1 AND channel = 'pager'`,
      [scope],
    );
    await until('the reminder', () => pager.received.length === 3);
    expect(pager.received[2]!.body.alerts).toMatchObject([{ status: 'firing', annotations: { value: '99 %' } }]);
    await fill(0.1, '1');
    await until('the end', () => pager.received.length === 4);
    expect(pager.received[3]!.body).toMatchObject({ status: 'resolved' });
    expect(await database.query('SELECT 1 FROM notification_group WHERE scope = $1', [scope])).toEqual([]);
    await pager.close();
  });

  it('to a Slack app keep one message up to date', async () => {
    const service = await startService();
    await start({ SLACK_BOT_TOKEN: 'xoxb-hidden', SLACK_CHANNEL: '#a', SLACK_API_URL: `${service.url}/api` });
    await fill(0.95);
    await someOf('sent');
    await fill(0.2);
    await someOf('sent', 2);
    expect(service.calls.map(({ path }) => path)).toEqual([
      '/api/chat.postMessage',
      '/api/chat.update',
      '/api/chat.postMessage',
    ]);
    expect(service.calls[2]!.body.thread_ts).toBe('111.222');
    expect(slack.received).toEqual([]);
    await service.close();
  });
});

describe('a silence', () => {
  const silence = (body: object) =>
    call('POST', '/api/v1/silences', { match: { node }, reason: 'new driver', ...body });

  it('holds messages back, says so, and what still fires is told when it is ended', async () => {
    await start();
    const { status, body } = await silence({ duration: '2h', createdBy: 'ops' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ state: 'active', match: { node: [node] }, reason: 'new driver', createdBy: 'ops' });
    await fill(0.95);
    const [held] = await someOf('held');
    expect(held).toMatchObject({ channel: 'slack', attempts: 0, lastError: expect.stringContaining('new driver') });
    expect(held.alerts).toMatchObject([{ rule: 'GpuFull', to: 'firing', labels: { node } }]);
    const [alert] = await get('/api/v1/alerts?state=firing');
    expect(alert.silence).toEqual({ id: body.id, endsAt: body.endsAt, reason: 'new driver' });
    const [transition] = await get('/api/v1/alerts/history');
    expect(transition.notifications).toMatchObject([{ channel: 'slack', status: 'held' }]);
    expect(slack.received).toEqual([]);

    const ended = await call('DELETE', `/api/v1/silences/${body.id}`);
    expect(ended.body).toMatchObject({ id: body.id, state: 'expired' });
    await until('the message', () => slack.received.length === 1);
    expect(headlines(slack)).toEqual(['🔴 Firing: GpuFull']);
    await someOf('sent');
    expect(await outbox('held')).toEqual([]);
    expect((await get('/api/v1/alerts?state=firing'))[0].silence).toBeNull();
    expect((await get('/api/v1/silences?state=active')).length).toBe(0);
    expect((await get('/api/v1/silences?state=expired')).length).toBe(1);
  });

  it('ends by itself, and what still fires is told then', async () => {
    await start();
    await silence({ duration: '3s' });
    await fill(0.95);
    await someOf('held');
    await until('the message', () => slack.received.length === 1);
    expect(headlines(slack)).toEqual(['🔴 Firing: GpuFull']);
  });

  it('lets what began and ended in it pass, with the reason kept', async () => {
    await start();
    const { body } = await silence({ duration: '1h' });
    await fill(0.95);
    await someOf('held');
    await fill(0.2);
    const [skipped] = await someOf('skipped');
    expect(skipped.alerts.map((a: any) => a.to)).toEqual(['firing', 'resolved']);
    await call('DELETE', `/api/v1/silences/${body.id}`);
    await fill(0.96);
    await until('the next message', () => slack.received.length > 0);
    expect(headlines(slack)).toEqual(['🔴 Firing: GpuFull']);
  });

  it('survives a restart', async () => {
    await start();
    await silence({ duration: '1h' });
    await fill(0.95);
    await someOf('held');
    await app.stop();
    await start();
    await fill(0.96);
    await until('a beat', async () => (await get('/api/v1/alerts?state=firing'))[0].value === 0.96);
    await someOf('held');
    expect(slack.received).toEqual([]);
  });

  it.each<[object, string]>([
    [{ match: {} }, '"match" is empty'],
    [{ match: undefined }, '"match" is missing'],
    [{ match: { node: { a: 1 } } }, '"match.node" must be'],
    [{}, 'Give "endsAt" (a time) or "duration"'],
    [{ duration: '1h', endsAt: '2999-01-01T00:00:00Z' }, 'and not both'],
    [{ duration: 'soon' }, '"duration" is "soon"'],
    [{ duration: '0s' }, '"duration" is "0s"'],
    [{ duration: '900d' }, 'a year at the most'],
    [{ endsAt: '2020-01-01T00:00:00Z' }, 'must be later than now'],
    [{ endsAt: 'tomorrow' }, '"endsAt" must be a time'],
    [{ duration: '1h', reason: ' ' }, '"reason" is empty'],
    [{ duration: '1h', reason: 'x'.repeat(501) }, 'longer than 500'],
    [{ duration: '1h', reson: 'x' }, 'There is no field "reson"'],
  ])('%j is refused with a sentence', async (body, sentence) => {
    await start();
    const { status, body: refused } = await silence(body);
    expect(status).toBe(400);
    expect(refused.error.message).toContain(sentence);
    expect(await get('/api/v1/silences')).toEqual([]);
  });

  it('is not taken from a page elsewhere, nor from something else than JSON', async () => {
    await start();
    const post = (headers: Record<string, string>, body: string) =>
      fetch(`${api}/api/v1/silences`, { method: 'POST', headers, body });
    const foreign = await post({ origin: 'https://evil.example', 'content-type': 'text/plain' }, '{}');
    expect(foreign.status).toBe(403);
    expect(await foreign.json()).toMatchObject({ error: { code: 'foreign_origin' } });
    for (const body of ['', 'null', '[]', '"x"', '{"match":'])
      expect((await post({ 'content-type': 'application/json' }, body)).status, body).toBe(400);
    expect((await call('GET', '/api/v1/silences/99999')).status).toBe(404);
    expect((await call('DELETE', '/api/v1/silences/x')).status).toBe(404);
  });
});

describe('a message that nobody got', () => {
  it('is listed and counted, and goes out when it is sent again', async () => {
    slack.script.push(answer(404, {}, 'no_service'));
    await start();
    await fill(0.95);
    const [dead] = await someOf('dead');
    expect(dead).toMatchObject({
      channel: 'slack',
      attempts: 1,
      lastError: expect.stringContaining('404 (no_service)'),
    });
    await until('it to be counted', async () =>
      /^vigil_notifications_unsent\{status="dead"[^}]*\} 1$/m.test(await (await fetch(`${api}/metrics`)).text()),
    );
    const again = await call('POST', `/api/v1/notifications/${dead.id}/retry`);
    expect(again).toMatchObject({ status: 200, body: { id: dead.id, status: 'waiting', attempts: 0 } });
    const [sent] = await someOf('sent');
    expect(sent).toMatchObject({ id: dead.id, lastError: null });
    const [first, second] = slack.received.map(({ headers }) => headers['idempotency-key']);
    expect(first).toBe(second);
    expect(await call('POST', `/api/v1/notifications/${dead.id}/retry`)).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringContaining('only one that is dead') } },
    });
    for (const id of ['999999', 'x', '1e3'])
      expect((await call('POST', `/api/v1/notifications/${id}/retry`)).status).toBe(404);
  });
});

describe('a receiver that hangs', () => {
  it('keeps no other waiting', async () => {
    const other = await startReceiver();
    slack.script.push(() => undefined);
    await start({ WEBHOOK_URL: other.url, NOTIFY_TIMEOUT: '30s' });
    await fill(0.95);
    await fill(0.95, '1');
    await until('both alerts to reach the other', () => other.received.length === 2);
    // Written down a moment after the receiver has it.
    await until('only Slack to be waited for', async () => {
      const waiting = await outbox('waiting');
      return waiting.length > 0 && waiting.every(({ channel }) => channel === 'slack');
    });
    await other.close();
  });
});

describe('a storm', () => {
  it('of a thousand alerts is told whole, each once', async () => {
    await start();
    await writeGpuSamples(
      store,
      Array.from({ length: 1000 }, (_, i) => gpuRow(0.95, { node, gpu: String(i) })),
    );
    await until('all to be told', () => slack.received.length >= 1000, 90);
    await until('all to be settled', async () => (await outbox('waiting')).length === 0);
    expect(new Set(slack.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(1000);
    expect(slack.received).toHaveLength(1000);
  }, 120_000);
});
