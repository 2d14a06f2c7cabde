import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Batch } from '../batch.js';
import { judge, type Attempt } from '../decide.js';
import { AT, batch, message } from '../testing.js';
import { alertmanager } from './alertmanager.js';
import { dingtalk } from './dingtalk.js';
import { feishu } from './feishu.js';
import { slackBot } from './slack-bot.js';
import { slackWebhook } from './slack-webhook.js';
import { startService, type Service } from './testing.js';
import type { Parcel, Receiver } from './types.js';
import { webhook } from './webhook.js';
import { wecom } from './wecom.js';

let service: Service;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

const SECRET = 'sEcReT-path';
const KINDS: Readonly<Record<string, (target: Service['target']) => Receiver>> = {
  'slack webhook': (target) => slackWebhook('r', target(`/services/${SECRET}`)),
  'slack bot': (target) => slackBot({ name: 'r', api: target('/api/'), token: `xoxb-${SECRET}`, channel: '#a' }),
  webhook: (target) => webhook({ name: 'r', target: target(`/hook?key=${SECRET}`), form: 'plain', bearer: SECRET }),
  'webhook in Alertmanager’s form': (target) =>
    webhook({ name: 'r', target: target(`/${SECRET}`), form: 'alertmanager' }),
  alertmanager: (target) => alertmanager({ name: 'r', target: target(`/${SECRET}/`), bearer: SECRET }),
  dingtalk: (target) => dingtalk({ name: 'r', target: target(`/ding?access_token=${SECRET}`), secret: SECRET }),
  feishu: (target) => feishu({ name: 'r', target: target(`/feishu/${SECRET}`), secret: SECRET }),
  wecom: (target) => wecom({ name: 'r', target: target(`/wecom?key=${SECRET}`) }),
};
const kinds = Object.entries(KINDS);

const parcel = (receiver: Receiver, given: Batch, change: Partial<Parcel> = {}): Parcel => ({
  // As it comes back from the database.
  payload: JSON.parse(JSON.stringify(receiver.render(given, 'key-1'))),
  key: 'key-1',
  reference: null,
  isLate: false,
  now: AT,
  ...change,
});
const options = (timeoutSeconds = 5) => ({ timeoutSeconds, signal: new AbortController().signal });
const deliver = (receiver: Receiver, given = batch([message()]), change: Partial<Parcel> = {}): Promise<Attempt> =>
  receiver.deliver(parcel(receiver, given, change), options());
const verdict = (attempt: Attempt) => judge(attempt, 1, AT, 1);

describe.each(kinds)('%s', (_, create) => {
  const make = () => create(service.target);

  it('is told what fires, and what is over', async () => {
    const receiver = make();
    for (const status of ['firing', 'resolved', 'no_data'] as const) {
      expect(verdict(await deliver(receiver, batch([message({ status })]))).result).toBe('sent');
      expect(JSON.stringify(service.calls.at(-1)!.body)).toContain('GPU 0 on gpu-1 uses 95.2 % of its memory');
    }
    expect(service.calls.map(({ headers }) => headers['content-type'])).toEqual(
      Array.from({ length: 3 }, () => 'application/json; charset=utf-8'),
    );
  });

  it('is told of a group in one message, however large', async () => {
    const many = Array.from({ length: 200 }, (_, i) => message({ labels: { node: `gpu-${i}`, x: 'y'.repeat(5000) } }));
    const receiver = make();
    expect(verdict(await deliver(receiver, batch(many))).result).toBe('sent');
    expect(service.calls).toHaveLength(1);
    if (receiver.kind !== 'webhook' && receiver.kind !== 'alertmanager')
      expect(JSON.stringify(service.calls[0]!.body).length).toBeLessThan(20_000);
    else expect(JSON.stringify(service.calls[0]!.body)).toContain('gpu-199');
  });

  it('that answers 500 or 429 is asked again, that redirects or refuses is not', async () => {
    const receiver = make();
    for (const [status, headers, result] of [
      [500, {}, 'retry'],
      [429, { 'retry-after': '30' }, 'retry'],
      [302, { location: `${service.url}/elsewhere` }, 'dead'],
      [404, {}, 'dead'],
    ] as const) {
      service.script.push((response) => void response.writeHead(status, headers).end(`no ${SECRET}`));
      const found = verdict(await deliver(receiver));
      expect(found.result, String(status)).toBe(result);
      if (status === 429) expect(found).toMatchObject({ delaySeconds: 30, pause: true });
      expect(JSON.stringify(found)).not.toContain(SECRET);
    }
    expect(service.calls.filter(({ path }) => path === '/elsewhere')).toEqual([]);
  });

  it('that says nothing is given up on in time, and nothing is told of its address', async () => {
    const receiver = make();
    service.script.push(() => undefined);
    expect(await receiver.deliver(parcel(receiver, batch([message()])), options(0.2))).toEqual({
      kind: 'failed',
      reason: 'No answer within 0.2 s.',
    });
  });

  it('that is not there is asked again', async () => {
    const receiver = make();
    const sent = parcel(receiver, batch([message()]));
    await service.close();
    const attempt = await receiver.deliver(sent, options());
    expect(attempt).toEqual({ kind: 'failed', reason: 'No connection (ECONNREFUSED).' });
  });

  it('that answers 10 MB is not read to the end', async () => {
    const receiver = make();
    let written = 0;
    service.script.push((response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(65_536, 'x');
      const more = (): void => {
        while (written < 1e7 && !response.destroyed) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const found = verdict(await deliver(receiver));
    expect(JSON.stringify(found)).not.toContain('xxx');
    expect(['sent', 'retry']).toContain(found.result);
    expect(written).toBeLessThan(1e7);
  });

  it('whose address is not allowed is not connected to', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      const receiver = create((path) => {
        const { url } = service.target(path);
        url.hostname = host;
        return { url, reach: 'public' };
      });
      expect(await deliver(receiver), host).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('private'),
      });
    }
    expect(service.calls).toEqual([]);
  });

  it('keeps no secret in what is kept, and shows none', () => {
    const receiver = make();
    const rendered = JSON.stringify(receiver.render(batch([message()]), 'k'));
    expect(rendered).not.toContain(SECRET);
    expect(receiver.where).toBe(new URL(service.url).host);
    expect(JSON.stringify(receiver)).not.toContain(SECRET);
  });
});
