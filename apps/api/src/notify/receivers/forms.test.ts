import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Batch } from '../batch.js';
import { judge, type Attempt } from '../decide.js';
import { AT, batch, HOSTILE, hostile, message } from '../testing.js';
import { alertmanager } from './alertmanager.js';
import { dingtalk } from './dingtalk.js';
import { mailHtml, mailText, subjectOf } from './email-text.js';
import { feishu } from './feishu.js';
import { slackBot } from './slack-bot.js';
import { toSlack } from './slack.js';
import { json, startService, type Service } from './testing.js';
import type { Parcel, Receiver } from './types.js';
import { webhook } from './webhook.js';
import { wecom } from './wecom.js';

let service: Service;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

const deliver = (receiver: Receiver, given: Batch, change: Partial<Parcel> = {}): Promise<Attempt> => {
  const payload = JSON.parse(JSON.stringify(receiver.render(given, 'key-1')));
  const parcel = { payload, key: 'key-1', reference: null, isLate: false, now: AT, ...change };
  return receiver.deliver(parcel, { timeoutSeconds: 5, signal: new AbortController().signal });
};
/** Every text of a JSON value. */
const texts = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(texts)
      : [];

const alone = batch([hostile()]);
const group = batch([hostile(), hostile({ status: 'resolved' })], { group: { ...HOSTILE } });

it('what a rule names as its runbook leads nowhere else, and calls nobody', () => {
  const address = 'https://vigil/a)[x](https://evil.example)|<!channel>"onclick="x`';
  const links = { alert: 'https://vigil/a', runbook: null };
  const given = batch([message({ links }, { action: address, file: address })]);
  const target = service.target('/');
  for (const text of texts(toSlack(given))) expect(text).not.toMatch(/<[!@#]|<https:\/\/evil/);
  for (const receiver of [dingtalk({ name: 'r', target }), wecom({ name: 'r', target })])
    for (const text of texts(receiver.render(given, 'k'))) {
      expect(text).not.toMatch(/<|`|\|/);
      for (const [, to] of text.matchAll(/\]\(([^)]*)\)/g)) expect(to).toMatch(/^https:\/\/vigil\//);
    }
  expect(mailHtml(given)).not.toMatch(/"\s*onclick=|<!channel/);
});

describe.each([
  ['one alert', alone],
  ['a group', group],
])('labels that would do harm, in %s', (_, given) => {
  it('call nobody and hide nothing in Slack', () => {
    const bot = slackBot({ name: 'r', api: service.target('/'), token: 'x', channel: 'a' });
    for (const slack of [toSlack(given), bot.render(given, 'k')])
      for (const text of texts(slack)) expect(text).not.toMatch(/<[!@#]|<https:\/\/evil/);
  });

  it.each(['dingtalk', 'wecom'])('make no link, mention, code or tag in %s', (kind) => {
    const target = service.target('/');
    const receiver = kind === 'dingtalk' ? dingtalk({ name: 'r', target }) : wecom({ name: 'r', target });
    for (const text of texts(receiver.render(given, 'k'))) {
      expect(text).not.toMatch(/<|`|@|~|!\[|\|/);
      for (const [, address] of text.matchAll(/\]\(([^)]*)\)/g)) expect(address).toMatch(/^https:\/\/vigil\//);
      // Lines begin with what we wrote, so no label makes a heading.
      expect(text.split('\n').filter((line) => line.startsWith('#')).length).toBeLessThanOrEqual(1);
      expect(text).not.toMatch(/[\r\u2028]/);
    }
  });

  it('stay plain text in Feishu', () => {
    const card = feishu({ name: 'r', target: service.target('/') }).render(given, 'k');
    expect(JSON.stringify(card)).not.toMatch(/lark_md|"tag":"(markdown|at|a|img)"/);
    const elements = JSON.stringify(card).matchAll(/"tag":"(\w+)"/g);
    for (const [, tag] of elements) expect(['plain_text', 'div', 'button', 'action']).toContain(tag);
  });

  it('stay text in e-mails, and make no header', () => {
    expect(subjectOf(given).replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')).toContain('[Vigil]');
    const html = mailHtml(given);
    expect(html).not.toMatch(/<script|<img|<at|onerror=alert\(1\)>/);
    const tags = new Set([...html.matchAll(/<\/?([a-z0-9]+)/g)].map((match) => match[1]));
    for (const tag of tags) expect(['div', 'h2', 'p', 'b', 'table', 'tr', 'td', 'ol', 'ul', 'li', 'a']).toContain(tag);
    expect(mailText(given)).not.toMatch(/^Bcc:|^# /m);
  });

  it('arrive as they are where JSON is read by programs', async () => {
    const target = service.target('/');
    for (const form of ['plain', 'alertmanager'] as const) {
      await deliver(webhook({ name: 'r', target, form }), given);
      const { body } = service.calls.at(-1)!;
      const [first] = body.alerts ?? [body];
      expect(first.labels).toMatchObject(HOSTILE);
    }
    await deliver(alertmanager({ name: 'r', target }), given);
    expect(service.calls.at(-1)!.body[0].labels).toMatchObject({ ...HOSTILE, alertname: 'GpuMemoryHigh' });
  });
});

describe('a Slack app', () => {
  const bot = () => slackBot({ name: 'r', api: service.target('/api/'), token: 'xoxb-1', channel: '#alerts' });
  const first = { channel: 'C1', ts: '111.222' };
  const paths = () => service.calls.map(({ path }) => path);

  it('posts, and later changes that message and replies in its thread', async () => {
    const attempt = await deliver(bot(), batch([message()]));
    expect(attempt).toMatchObject({ reference: first });
    expect(service.calls[0]!.headers.authorization).toBe('Bearer xoxb-1');
    expect(service.calls[0]!.body).toMatchObject({ channel: '#alerts', metadata: { event_payload: { key: 'key-1' } } });
    const second = await deliver(bot(), batch([message({ status: 'resolved' })]), { reference: first });
    expect(second).toMatchObject({ reference: first });
    expect(paths()).toEqual(['/api/chat.postMessage', '/api/chat.update', '/api/chat.postMessage']);
    expect(service.calls[1]!.body).toMatchObject({ channel: 'C1', ts: '111.222' });
    expect(JSON.stringify(service.calls[1]!.body)).toContain('#2e9e5b');
    expect(service.calls[2]!.body).toMatchObject({
      thread_ts: '111.222',
      text: expect.stringContaining('🟢 Resolved'),
    });
  });

  it('posts anew where the message is gone', async () => {
    service.script.push(json({ ok: false, error: 'message_not_found' }));
    await deliver(bot(), batch([message()]), { reference: first });
    expect(paths()).toEqual(['/api/chat.update', '/api/chat.postMessage']);
    expect(service.calls[1]!.body.thread_ts).toBeUndefined();
  });

  it('that sends an old message again by hand does not undo the newer one', async () => {
    await deliver(bot(), batch([message()]), { reference: first, isLate: true });
    expect(paths()).toEqual(['/api/chat.postMessage']);
    expect(service.calls[0]!.body.thread_ts).toBe('111.222');
  });

  it.each([
    ['not_in_channel', 'dead'],
    ['invalid_auth', 'dead'],
    ['internal_error', 'retry'],
    ['service_unavailable', 'retry'],
  ])('that is answered %s: %s', async (error, result) => {
    service.script.push(json({ ok: false, error }));
    const verdict = judge(await deliver(bot(), batch([message()])), 1, AT, 1);
    expect(verdict).toMatchObject({ result, reason: expect.stringContaining(error) });
  });
});

describe('robots', () => {
  it('of DingTalk are signed by time and secret, anew for every attempt', async () => {
    const receiver = dingtalk({ name: 'r', target: service.target('/robot?access_token=t'), secret: 'SEC1' });
    await deliver(receiver, batch([message()]));
    const { searchParams } = new URL(service.calls[0]!.path, service.url);
    expect(Object.fromEntries(searchParams)).toEqual({
      access_token: 't',
      timestamp: '1772359920000',
      sign: createHmac('sha256', 'SEC1').update('1772359920000\nSEC1').digest('base64'),
    });
    await deliver(receiver, batch([message()]), { now: new Date(AT.getTime() + 1000) });
    expect(service.calls[1]!.path).toContain('timestamp=1772359921000');
  });

  it('of Feishu are signed with time and secret as the key', async () => {
    await deliver(feishu({ name: 'r', target: service.target('/feishu'), secret: 's' }), batch([message()]));
    expect(service.calls[0]!.body).toMatchObject({
      timestamp: '1772359920',
      sign: createHmac('sha256', '1772359920\ns').update('').digest('base64'),
      msg_type: 'interactive',
      card: { header: { template: 'red' } },
    });
  });

  it.each<[string, (s: Service) => Receiver, object, string]>([
    [
      'dingtalk',
      (s) => dingtalk({ name: 'r', target: s.target('/') }),
      { errcode: 310000, errmsg: 'sign not match' },
      'dead',
    ],
    [
      'dingtalk',
      (s) => dingtalk({ name: 'r', target: s.target('/') }),
      { errcode: 130101, errmsg: 'too fast' },
      'retry',
    ],
    ['feishu', (s) => feishu({ name: 'r', target: s.target('/') }), { code: 19021, msg: 'sign match fail' }, 'dead'],
    ['feishu', (s) => feishu({ name: 'r', target: s.target('/') }), { code: 11232, msg: 'frequency limited' }, 'retry'],
    [
      'wecom',
      (s) => wecom({ name: 'r', target: s.target('/') }),
      { errcode: 93000, errmsg: 'invalid webhook' },
      'dead',
    ],
    ['wecom', (s) => wecom({ name: 'r', target: s.target('/') }), { errcode: 45009, errmsg: 'freq' }, 'retry'],
    ['wecom', (s) => wecom({ name: 'r', target: s.target('/') }), { hello: 'captive portal' }, 'retry'],
  ])('of %s that answer 200 and did not take it: %j %j', async (_, make, answer, result) => {
    service.script.push(json(answer));
    const verdict = judge(await deliver(make(service), batch([message()])), 1, AT, 1);
    expect(verdict.result).toBe(result);
    expect(JSON.stringify(verdict)).not.toMatch(/sign not match|invalid webhook/);
  });

  it('of WeCom get no more bytes than they take', async () => {
    const long = '显存不足😀'.repeat(2000);
    await deliver(wecom({ name: 'r', target: service.target('/') }), batch([message({}, { summary: long })]));
    const { content } = service.calls[0]!.body.markdown;
    expect(Buffer.byteLength(content)).toBeLessThanOrEqual(4096);
    expect(content.isWellFormed() && !content.includes('\ufffd')).toBe(true);
  });
});

describe('Alertmanager’s forms', () => {
  it('of a webhook: version 4, resolved only as a whole', async () => {
    const receiver = webhook({ name: 'pager', target: service.target('/'), form: 'alertmanager' });
    const other = message({ labels: { node: 'gpu-1', gpu: '1' }, status: 'resolved' });
    await deliver(receiver, batch([message(), other], { receiver: 'pager' }));
    await deliver(receiver, batch([other]));
    expect(service.calls.map(({ body }) => body.status)).toEqual(['firing', 'resolved']);
    const { body } = service.calls[0]!;
    expect(body).toMatchObject({
      version: '4',
      receiver: 'pager',
      groupLabels: { rule: 'GpuMemoryHigh' },
      commonLabels: { node: 'gpu-1', alertname: 'GpuMemoryHigh', severity: 'critical' },
      externalURL: 'https://vigil',
    });
    expect(body.commonLabels.gpu).toBeUndefined();
    expect(body.alerts).toMatchObject([
      {
        status: 'firing',
        startsAt: '2026-03-01T10:12:00Z',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: 'https://vigil/a?x=1&y=2',
      },
      { status: 'resolved', endsAt: '2026-03-01T10:12:00.000Z' },
    ]);
    expect(body.alerts[0].fingerprint).not.toBe(body.alerts[1].fingerprint);
    expect(service.calls[1]!.body.alerts[0].fingerprint).toBe(body.alerts[1].fingerprint);
  });

  it('of its API: what fires ends later than the next reminder, what is over has ended', async () => {
    const receiver = alertmanager({ name: 'r', target: service.target('/prefix/') });
    await deliver(receiver, batch([message(), message({ status: 'resolved' })]));
    expect(service.calls[0]!.path).toBe('/prefix/api/v2/alerts');
    const [firing, resolved] = service.calls[0]!.body;
    expect(Date.parse(firing.endsAt) - AT.getTime()).toBeGreaterThan(2 * receiver.refreshSeconds! * 1000);
    expect(resolved.endsAt).toBe(AT.toISOString());
  });
});
