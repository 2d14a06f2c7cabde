import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@vigil/service';
import { afterAll, describe, expect, it } from 'vitest';
import { configSchema, ROOT, type AllowPrivate } from '../../config.js';
import { notifyOf } from './index.js';
import { parseNotifyFile } from './load.js';

const folder = mkdtempSync(join(tmpdir(), 'vigil-notify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'token'), '  sEcReT-token\n');
writeFileSync(join(folder, 'empty'), '\n');

const environment = {
  HOOK: 'https://hooks.slack.com/services/sEcReT',
  PRIVATE: 'http://10.1.2.3/sEcReT',
  METADATA: 'http://169.254.169.254/sEcReT',
  NONSENSE: 'sEcReT nonsense',
  SLACK_TOKEN: 'xoxb-sEcReT',
  SLACK_HOOK: 'https://hooks.slack.com/services/sEcReT',
  SMTP_URL: 'smtp://me:sEcReT@mail.example.org',
  DINGTALK_URL: 'https://oapi.dingtalk.com/robot/send?access_token=sEcReT',
  DINGTALK_SECRET: 'SECsEcReT',
  FEISHU_URL: 'https://open.feishu.cn/open-apis/bot/v2/hook/sEcReT',
  FEISHU_SECRET: 'sEcReT',
  WECOM_URL: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=sEcReT',
};
const parse = (text: string, allow: AllowPrivate = 'environment', taken: string[] = []) =>
  parseNotifyFile(text, 'notify.yaml', { file: join(folder, 'notify.yaml'), environment, allow, taken });

const GOOD = `receivers:
  a:
    slack: { url: env:HOOK }
routes:
  - to: a
`;
/** The good file with a line of it replaced. */
const wrong = (line: number, ...by: string[]): string => {
  const lines = GOOD.split('\n');
  lines.splice(line - 1, 1, ...by);
  return lines.join('\n');
};

describe('a file of receivers and routes', () => {
  it('that the documentation shows is good, and shows no secret', () => {
    const page = readFileSync(join(ROOT, 'docs/NOTIFICATIONS.md'), 'utf8');
    writeFileSync(join(folder, 'pager-token'), 'sEcReT');
    const { notify, problems } = parse(/```yaml\n([\s\S]*?)```/.exec(page)![1]!);
    expect(problems).toEqual([]);
    expect(notify!.receivers.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'night-shift slack',
      'log slack',
      'mail email',
      'pager webhook',
      'am alertmanager',
      'ding dingtalk',
      'fei feishu',
      'wecom wecom',
    ]);
    expect(notify!.routes.map(({ policy }) => [policy.wait, policy.repeat, policy.quiet?.name ?? null])).toEqual([
      [0, null, null],
      [0, 14_400, null],
      [30, null, null],
      [0, null, 'nights'],
    ]);
    expect(JSON.stringify(notify)).not.toContain('sEcReT');
  });

  it.each<[string, string, string]>([
    [
      'an unknown key',
      wrong(4, 'route: []', 'routes:'),
      'notify.yaml:4: There is no field "route" here; there are receivers, routes, quiet.',
    ],
    [
      'an unknown kind',
      wrong(3, '    slak: { url: env:HOOK }'),
      'notify.yaml:3: There is no field "slak" here; there are slack, webhook,',
    ],
    [
      'an unknown field of a receiver',
      wrong(3, '    slack: { url: env:HOOK, chanel: x }'),
      'notify.yaml:3: There is no field "chanel" here; there are url, token, channel.',
    ],
    [
      'two kinds',
      wrong(3, '    slack: { url: env:HOOK }', '    wecom: { url: env:HOOK }'),
      'notify.yaml:2: "receivers.a" must have exactly one of',
    ],
    [
      'a bot without a channel',
      wrong(3, '    slack: { token: env:SLACK_TOKEN }'),
      'notify.yaml:3: "receivers.a.slack" must have url (an incoming webhook), or token and channel (a bot).',
    ],
    [
      'a secret in the file',
      wrong(3, '    slack: { url: https://hooks.slack.com/services/sEcReT }'),
      'notify.yaml:3: "receivers.a.slack.url" must be env:NAME or file:PATH, as a secret does not belong into this file.',
    ],
    [
      'a password in the file',
      wrong(3, '    email: { server: "smtp://me:sEcReT@host", from: a@b, to: [c@d] }'),
      'notify.yaml:3: "receivers.a.email.server" must be smtp://host:port',
    ],
    [
      'a variable that is not set',
      wrong(3, '    slack: { url: env:NOT_THERE }'),
      'notify.yaml:3: "receivers.a.slack.url" names the variable NOT_THERE, which is not set.',
    ],
    [
      'a file that is not there',
      wrong(3, '    slack: { url: file:nowhere }'),
      "nowhere, which can't be read (ENOENT).",
    ],
    ['a file that is empty', wrong(3, '    slack: { url: file:empty }'), 'empty, which is empty or too long.'],
    [
      'a secret that is no address',
      wrong(3, '    slack: { url: env:NONSENSE }'),
      'notify.yaml:3: "receivers.a.slack.url" leads to something that is no address that begins with http:// or https://.',
    ],
    [
      'a private address',
      wrong(3, '    webhook: { url: "http://10.1.2.3/x" }'),
      'notify.yaml:3: "receivers.a.webhook.url" leads to a private address. Set NOTIFY_ALLOW_PRIVATE=all',
    ],
    [
      'an address of a cloud',
      wrong(3, '    webhook: { url: env:METADATA }'),
      'notify.yaml:3: "receivers.a.webhook.url" leads to a private address.',
    ],
    [
      'no address of a mailbox',
      wrong(3, '    email: { server: "smtp://host", from: a@b, to: ["x\\r\\nBcc: v@e"] }'),
      'notify.yaml:3: "receivers.a.email.to.0" must be an address',
    ],
    ['a receiver that is not there', wrong(5, '  - to: b'), 'notify.yaml:5: There is no receiver "b"; there are a.'],
    [
      'no route for all',
      wrong(5, '  - { match: { severity: critical }, to: a }'),
      'notify.yaml:5: The last route must take every alert',
    ],
    ['no routes', wrong(5, ''), 'notify.yaml:4: "routes" must be a list of routes.'],
    [
      'a wrong duration',
      wrong(5, '  - { to: a, wait: soon }'),
      'notify.yaml:5: "routes.0.wait" is "soon": a duration such as 30s, 5m or 4h is expected.',
    ],
    [
      'a repeat that would be noise',
      wrong(5, '  - { to: a, repeat: 1s }'),
      'notify.yaml:5: "routes.0.repeat" is "1s": a duration such as 30s, 5m or 4h from 60s',
    ],
    [
      'unknown quiet hours',
      wrong(5, '  - { to: a, quiet: nights }'),
      'notify.yaml:5: There are no quiet hours "nights"; there are: none.',
    ],
    [
      'a wrong zone',
      `${GOOD}quiet:\n  n: { from: '22:00', to: '07:00', zone: Mars/Base }\n`,
      'notify.yaml:7: "quiet.n.zone" must be a time zone such as Europe/Berlin or UTC.',
    ],
    [
      'a time that YAML takes for a number',
      `${GOOD}quiet:\n  n: { from: 22, to: '07:00', zone: UTC }\n`,
      'notify.yaml:7: "quiet.n.from" must be a time such as \'22:00\', in quotes.',
    ],
    ['a wrong name', wrong(2, '  "a b":'), '"a b" must be a name of letters, digits, - and _.'],
    ['no YAML', 'receivers: [sEcReT', 'notify.yaml:1: This is not YAML (BAD_INDENT).'],
    ['nothing', '', 'notify.yaml:1: The file must be a mapping with receivers and routes.'],
    ['a list', '- a', 'notify.yaml:1: The file must be a mapping with receivers and routes.'],
  ])('%s is told by line, without a secret', (_, text, sentence) => {
    const { notify, problems } = parse(text);
    expect(notify).toBeUndefined();
    expect(problems.join('\n')).toContain(sentence);
    expect(problems.join('\n')).not.toContain('sEcReT');
  });

  it('tells all mistakes at once', () => {
    const { problems } = parse('receivers:\n  a: { slack: { url: x } }\n  b: { wecom: {} }\nroutes:\n  - { to: 1 }\n');
    expect(problems.map((problem) => problem.split(':')[1])).toEqual(['2', '3', '5']);
  });

  it('may use names that the environment gives, and take none of them', () => {
    expect(parse(wrong(5, '  - to: [a, slack]'), 'environment', ['slack']).problems).toEqual([]);
    expect(parse(GOOD, 'environment', ['a']).problems).toEqual([
      'notify.yaml:2: The name "a" is taken by the receiver that the environment gives: rename this one.',
    ]);
  });

  it.each<[AllowPrivate, string, boolean]>([
    ['none', 'env:PRIVATE', false],
    ['environment', 'env:PRIVATE', true],
    ['environment', 'http://10.1.2.3/', false],
    ['environment', 'env:METADATA', false],
    ['all', 'http://10.1.2.3/', true],
    ['all', 'env:METADATA', true],
    ['all', 'http://0.0.0.0/', false],
  ])('with NOTIFY_ALLOW_PRIVATE=%s, %s is allowed: %s', (allow, url, good) => {
    expect(parse(wrong(3, `    webhook: { url: '${url}' }`), allow).problems.length === 0).toBe(good);
  });
});

describe('the environment', () => {
  const of = (given: Record<string, string>) =>
    notifyOf(readConfig(configSchema, { DATABASE_URL: 'postgres://x/y', ...given }));
  it('names receivers that are told everything; a bot goes before a webhook', () => {
    const hook = {
      SLACK_WEBHOOK_URL: environment.HOOK,
      WEBHOOK_URL: 'http://127.0.0.1:1/',
      ALERTMANAGER_URL: 'http://am',
    };
    expect(of(hook).receivers.map(({ name }) => name)).toEqual(['slack', 'webhook', 'alertmanager']);
    expect(of({ ...hook, SLACK_BOT_TOKEN: 'xoxb-1', SLACK_CHANNEL: 'C1' }).receivers[0]).toMatchObject({
      name: 'slack',
      where: 'slack.com',
    });
    expect(of(hook).routes).toMatchObject([{ match: {}, to: ['slack', 'webhook', 'alertmanager'], continue: true }]);
    expect(of({})).toEqual({ receivers: [], routes: [] });
  });

  it.each<[Record<string, string>, string]>([
    [{ SLACK_BOT_TOKEN: 'xoxb-sEcReT' }, 'SLACK_CHANNEL is not set: a bot needs a token and a channel.'],
    [{ SLACK_CHANNEL: 'C1' }, 'SLACK_BOT_TOKEN is not set'],
    [{ SLACK_BOT_TOKEN: 'sEcReT', SLACK_CHANNEL: 'C1' }, 'SLACK_BOT_TOKEN is wrong: a token such as xoxb-'],
    [{ WEBHOOK_URL: environment.METADATA }, 'WEBHOOK_URL leads to a private address.'],
    [{ WEBHOOK_URL: environment.PRIVATE, NOTIFY_ALLOW_PRIVATE: 'none' }, 'WEBHOOK_URL leads to a private address.'],
    [{ NOTIFY_FILE: '/nowhere/notify.yaml' }, "The file /nowhere/notify.yaml can't be read (ENOENT)."],
    [{ NOTIFY_ALLOW_PRIVATE: 'true' }, 'NOTIFY_ALLOW_PRIVATE is "true": one of none, environment, all is expected.'],
  ])('%j stops the start with a sentence', (given, sentence) => {
    const start = () => of(given);
    expect(start).toThrow(sentence);
    expect(start).not.toThrow('sEcReT');
  });
});
