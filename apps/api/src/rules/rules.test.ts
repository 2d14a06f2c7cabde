import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { gpuRow } from '@vigil/store/testing';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { GPU_RULE, startReceiver, testConfig, writeRules, type Receiver } from '../testing.js';

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
let team: Awaited<ReturnType<typeof writeRules>>;
let receiver: Receiver;
/** Two processes' worth of the API on one database and one scope. */
let apps: App[];
let urls: string[];
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules({ 'gpu.yaml': GPU_RULE.replace('0.9', '0.99') });
  team = await writeRules({});
  receiver = await startReceiver();
  const env = {
    DATABASE_URL: database.url,
    RULES_DIR: rules.folder,
    TEAM_RULES_DIR: team.folder,
    SLACK_WEBHOOK_URL: receiver.url,
  };
  apps = [0, 1].map(() =>
    createApp({
      config: testConfig(env),
      log: createLogger('api', 'silent'),
      graceSeconds: 0,
      rulesEverySeconds: 0.1,
    }),
  );
  urls = [];
  for (const app of apps) urls.push((await app.start()).api!);
});
afterAll(async () => {
  for (const app of apps) await app.stop();
  await receiver.close();
  await store.destroy();
  await database.drop();
  await rules.remove();
  await team.remove();
});
beforeEach(() => writeGpuSamples(store, [gpuRow(0.95, { time: new Date() })]));
afterEach(() => receiver.received.splice(0));

const PATH = '/api/v1/rules';
const rule = (name: string, threshold = 0.9) => GPU_RULE.replace('GpuFull', name).replace('0.9', String(threshold));

interface Answer {
  status: number;
  body: any;
}

async function call(method: string, path: string, body?: string | object, api = urls[0]!): Promise<Answer> {
  const type = typeof body === 'string' ? 'application/yaml' : 'application/json';
  const response = await fetch(`${api}${path}`, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

const itemOf = async (name: string, api?: string) =>
  (await call('GET', PATH, undefined, api)).body.items.find((item: any) => item.rule === name);
const told = (name: string) =>
  receiver.received.map(({ body }) => body.blocks[0].text.text as string).filter((line) => line.endsWith(name));
const states = async (name: string) =>
  (await database.query('SELECT state FROM alert WHERE rule = $1', [name])).map(({ state }) => state);
const refusedMetric = async () =>
  Number(/^vigil_rules_refused\{[^}]*\} (\d+)$/m.exec(await (await fetch(`${urls[0]}/metrics`)).text())![1]);

describe('a rule that is made through the API', () => {
  it('is evaluated whichever process was asked, changed, and removed; its alert is over then, with the reason', async () => {
    const made = await call('POST', `${PATH}?author=ann`, `# ours\n${rule('Ours')}`);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      rule: 'Ours',
      source: 'api',
      file: '/api/v1/rules/Ours',
      author: 'ann',
      definition: `# ours\n${rule('Ours')}`,
      error: null,
    });
    await until('it to fire', () => told('Ours').length === 1);
    // Both know it, whoever evaluates.
    for (const api of urls) await until('it to be known', async () => (await itemOf('Ours', api))?.states.firing === 1);

    // The other process is asked; the threshold is no longer met.
    const changed = await call('PUT', `${PATH}/Ours`, rule('Ours', 0.97), urls[1]);
    expect([changed.status, changed.body.condition.threshold]).toEqual([200, 0.97]);
    expect(changed.body.author).toBe('ann');
    await until('its end', () => told('Ours').length === 2);
    expect(told('Ours')[1]).toBe('🟢 Resolved: Ours');

    await call('PUT', `${PATH}/Ours`, rule('Ours', 0.5));
    await until('it to fire again', () => told('Ours').length === 3);
    expect((await call('DELETE', `${PATH}/Ours`, undefined, urls[1])).status).toBe(204);
    await until('the end of what is gone', () => told('Ours').length === 4);
    expect(JSON.stringify(receiver.received.at(-1)!.body)).toContain('The rule was removed while it fired');
    for (const api of urls) await until('it to be gone', async () => (await itemOf('Ours', api)) === undefined);
    expect(await states('Ours')).toEqual([]);
  });

  it('may be JSON, and is off where it says so', async () => {
    const fields = {
      alert: 'Json',
      enabled: false,
      signal: 'gpu.temperature',
      levels: { warning: { above: 80 }, critical: { above: 90 } },
      summary: 'x',
      action: 'https://example.com/x',
    };
    const { status, body } = await call('POST', PATH, fields);
    expect(status).toBe(201);
    expect(body).toMatchObject({ enabled: false, severity: 'critical', runbook: 'https://example.com/x' });
    expect(body.levels).toHaveLength(2);
    const { schemas } = (await call('GET', '/docs-json')).body.components;
    expect(Object.keys(body).toSorted()).toEqual(
      [...Object.keys(schemas.RuleItem.properties), 'definition'].toSorted(),
    );
    await call('DELETE', `${PATH}/Json`);
  });

  it('that is changed to other labels ends the alerts that it is no longer about, with the reason', async () => {
    await call('POST', PATH, rule('Labels'));
    await until('it to fire', () => told('Labels').length === 1);
    await call(
      'PUT',
      `${PATH}/Labels`,
      rule('Labels')
        .replace('[node, gpu, replay]', '[node]')
        .replace(/GPU .* on/, 'on'),
    );
    await until('both', () => told('Labels').length === 3);
    expect(told('Labels').toSorted()).toEqual(['🔴 Firing: Labels', '🔴 Firing: Labels', '🟢 Resolved: Labels']);
    expect(JSON.stringify(receiver.received.map(({ body }) => body))).toContain('The rule was changed while it fired');
    expect(await states('Labels')).toEqual(['firing']);
    await call('DELETE', `${PATH}/Labels`);
  });

  it('is muted by a silence on its name, and says so', async () => {
    const silence = { match: { rule: 'Muted' }, duration: '1h', reason: 'Known, being looked into' };
    const { body: made } = await call('POST', '/api/v1/silences', silence);
    await call('POST', PATH, rule('Muted'));
    await until('it to fire', async () => (await states('Muted')).includes('firing'));
    expect((await itemOf('Muted')).silence).toEqual({ id: made.id, endsAt: made.endsAt, reason: silence.reason });
    expect((await itemOf('GpuFull')).silence).toBeNull();
    await until('the message to be held', async () => {
      const rows = await database.query(`SELECT 1 FROM notification WHERE status = 'held'`);
      return rows.length > 0;
    });
    expect(told('Muted')).toEqual([]);
    // It still fires when the silence ends: then it is told, once.
    await call('DELETE', `/api/v1/silences/${made.id}`);
    await until('the message', () => told('Muted').length === 1);
    expect((await itemOf('Muted')).silence).toBeNull();
    await call('DELETE', `${PATH}/Muted`);
  });
});

describe('what can not be taken is refused with a sentence', () => {
  const bomb = [
    'a: &a [x, x, x]',
    ...[...'bcdefghijklmnop'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghijklmno'[i]}`)}]`),
  ].join('\n');
  it.each<[string, string, string, string | object | undefined, number, string]>([
    [
      'a mistyped field',
      'POST',
      '',
      `${rule('X')}foor: 5m\n`,
      400,
      'Line 8: There is no field "foor"; did you mean for?',
    ],
    [
      'a mistyped signal',
      'POST',
      '',
      { alert: 'X', signal: 'gpu.memry.ratio' },
      400,
      'There is no signal "gpu.memry.ratio"; did you mean gpu.memory.ratio?',
    ],
    ['nothing', 'POST', '', {}, 400, '"alert" is missing'],
    ['a list', 'POST', '', [], 400, 'The body must be a rule: a JSON object, or YAML'],
    ['no body', 'POST', '', undefined, 400, 'The body must be a rule'],
    ['no YAML', 'POST', '', 'alert: [', 400, 'This is not YAML'],
    ['two rules', 'POST', '', `${rule('X')}---\n${rule('Y')}`, 400, 'There is a second document'],
    ['aliases that stand for a billion words', 'POST', '', bomb, 400, 'Excessive alias count'],
    ['brackets without an end', 'POST', '', '['.repeat(16_000), 400, 'This is not YAML'],
    ['ten megabytes', 'POST', '', 'x'.repeat(10_000_000), 413, 'too large'],
    ['more than a rule', 'POST', '', 'x'.repeat(100_000), 400, 'larger than 16 KiB'],
    [
      'a NUL character',
      'POST',
      '',
      { alert: 'X', signal: 'gpu.power', summary: 'a\0b' },
      400,
      '"summary" holds a NUL character.',
    ],
    ['the name of a file', 'POST', '', rule('GpuFull'), 409, 'The rule "GpuFull" is a file, '],
    ['a change of a file', 'PUT', '/GpuFull', rule('GpuFull'), 409, 'change it there'],
    ['the removal of a file', 'DELETE', '/GpuFull', undefined, 409, 'change it there'],
    ['a change of nothing', 'PUT', '/Nothing', rule('Nothing'), 404, 'There is no rule "Nothing"'],
    [
      'another name in the path',
      'PUT',
      '/Other',
      rule('X'),
      400,
      'The rule\'s name is "X", and the path says "Other".',
    ],
    ['a removal of nothing', 'DELETE', '/__proto__', undefined, 404, 'There is no rule "__proto__"'],
    ['a removal of what no rule is called', 'DELETE', '/%00', undefined, 404, 'There is no rule'],
    ['a look at nothing', 'GET', '/%00', undefined, 404, 'There is no rule'],
    ['an unknown parameter', 'POST', '?autor=x', rule('X'), 400, 'There is no parameter "autor"'],
  ])('%s', async (_, method, path, body, status, sentence) => {
    const answer = await call(method, `${PATH}${path}`, body);
    expect(answer.body.error.message).toContain(sentence);
    expect(answer.status).toBe(status);
  });

  it('a name that is taken', async () => {
    expect((await call('POST', PATH, rule('Once'))).status).toBe(201);
    const { status, body } = await call('POST', PATH, rule('Once'), urls[1]);
    expect([status, body.error.code]).toEqual([409, 'exists']);
    await call('DELETE', `${PATH}/Once`);
  });
});

describe("the folder of a team's rules", () => {
  const write = (name: string, text: string) => writeFile(join(team.folder, name), text);

  it('is followed: rules come, change, break without harm, and go', async () => {
    await write('mine.yaml', rule('Mine'));
    await until('it to fire', () => told('Mine').length === 1);
    expect(await itemOf('Mine')).toMatchObject({ source: 'file', file: join(team.folder, 'mine.yaml'), error: null });

    // Broken: the former one stays in force, and both say why.
    await write('mine.yaml', rule('Mine').replace('above', 'abov'));
    await write('other.yaml', ': nonsense\n: [');
    for (const api of urls)
      await until('the mistake', async () => (await itemOf('Mine', api)).error?.includes('did you mean above?'));
    const { body } = await call('GET', PATH);
    expect(body.refused).toEqual([
      { file: join(team.folder, 'other.yaml'), error: expect.stringContaining('other.yaml:2: This is not YAML') },
    ]);
    expect(await refusedMetric()).toBe(2);
    expect((await itemOf('Mine')).states.firing).toBe(1);
    // The others go on, and new ones are taken.
    await write('third.yaml', rule('Third'));
    await until('the third', () => told('Third').length === 1);
    expect(told('Mine')).toHaveLength(1);

    await write('mine.yaml', rule('Mine', 0.97));
    await until('its end', () => told('Mine').length === 2);
    expect((await itemOf('Mine')).error).toBeNull();
    await rm(join(team.folder, 'other.yaml'));
    await rm(join(team.folder, 'third.yaml'));
    await until('the end of what is gone', () => told('Third').length === 2);
    expect(JSON.stringify(receiver.received.at(-1)!.body)).toContain('The rule was removed while it fired');
    await rm(join(team.folder, 'mine.yaml'));
    await until('nothing to be refused', async () => (await refusedMetric()) === 0);
  });

  it('that is gone changes nothing, and is told', async () => {
    const file = join(rules.folder, 'gpu.yaml');
    await rm(file);
    await until('it to be told', async () => (await call('GET', PATH)).body.refused.length === 1);
    const { body } = await call('GET', PATH);
    expect(body.refused[0].error).toContain('holds no *.yaml file. Set RULES_DIR to one that does.');
    expect(body.items.map((item: any) => item.rule)).toEqual(['GpuFull']);
    await writeFile(file, GPU_RULE);
    await until('it to be well', async () => (await refusedMetric()) === 0);
    await until('the change', async () => (await itemOf('GpuFull')).condition.threshold === 0.9);
  });
});
