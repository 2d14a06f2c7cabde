import { createLogger, type App } from '@vigil/service';
import { SIGNALS } from '@vigil/signals';
import { connect, createStore, writeGpuSamples, writeRequests } from '@vigil/store';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { GPU_RULE, gpuRow, requestRow, testConfig, writeRules } from '../testing.js';

const MODEL = `x'"; DROP TABLE request; --`;
const at = (text: string) => new Date(`2026-03-01T${text}Z`);

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
let app: App;
let api: string;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules({
    'gpu.yaml': GPU_RULE,
    'slow.yaml': GPU_RULE.replace('GpuFull', 'GpuWaiting').replace('severity', 'for: 1h\nseverity'),
  });
  await writeRequests(store, [
    ...Array.from({ length: 5 }, (_, i) =>
      requestRow({ endedAt: at(`10:00:0${i}`), conversationId: 'c1', responseId: `r${i}` }),
    ),
    // The same instant: the order must hold all the same, and no row be passed over.
    ...Array.from({ length: 5 }, (_, i) => requestRow({ endedAt: at('10:01:00'), model: MODEL, responseId: `s${i}` })),
    requestRow({
      endedAt: at('10:02:30'),
      outcome: 'error',
      errorType: 'engine_died',
      responseLatency: null,
      responseId: 't',
    }),
  ]);
  await writeGpuSamples(store, [gpuRow(0.95), gpuRow(0.5, { gpu: '1' })]);
  const config = testConfig({ DATABASE_URL: database.url, RULES_DIR: rules.folder });
  app = createApp({ config, log: createLogger('api', 'silent') });
  api = (await app.start()).api!;
  await until('the first beat', async () => ((await get('/api/v1/alerts')).body.items.length as number) === 4);
});
afterAll(async () => {
  await app.stop();
  await store.destroy();
  await database.drop();
  await rules.remove();
});

async function get(
  path: string,
  parameters?: Record<string, string>,
): Promise<{ status: number; body: any; headers: Headers }> {
  const query = parameters ? `?${new URLSearchParams(parameters)}` : '';
  const response = await fetch(`${api}${path}${query}`);
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json');
  return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers };
}

/** Every page of a list, one after the other. */
async function pages(path: string, parameters: Record<string, string>): Promise<any[][]> {
  const found: any[][] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { status, body } = await get(path, { ...parameters, ...(cursor && { cursor }) });
    expect(status).toBe(200);
    found.push(body.items);
    cursor = body.next;
  }
  return found;
}

describe('GET /api/v1/signals', () => {
  it('lists the catalogue', async () => {
    const { body } = await get('/api/v1/signals');
    expect(body.next).toBeNull();
    expect(body.items.map((s: { id: string }) => s.id)).toEqual(SIGNALS.map((s) => s.id));
    expect(body.items[0]).toMatchObject({
      id: 'gpu.memory.ratio',
      layer: 'infrastructure',
      unit: '1',
      labels: ['node', 'gpu', 'replay'],
      promql: 'avg by (node, gpu, replay) (hw_gpu_memory_utilization_ratio)',
    });
    expect((await get('/api/v1/signals', { layer: 'service' })).body.items.length).toBeLessThan(SIGNALS.length);
  });
});

describe('GET /api/v1/series', () => {
  const range = { from: '2026-03-01T10:00:00Z', to: '2026-03-01T10:03:00Z' };

  it('answers points by label', async () => {
    const { body } = await get('/api/v1/series', { signal: 'request.rate', by: 'model', step: '1m', ...range });
    const t = at('10:00:00').getTime() / 1000;
    expect(body).toEqual({
      signal: 'request.rate',
      unit: '{request}/s',
      from: '2026-03-01T10:00:00.000Z',
      to: '2026-03-01T10:03:00.000Z',
      step: 60,
      series: [
        {
          labels: { model: 'm' },
          points: [
            [t, 5 / 60, 5],
            [t + 120, 1 / 60, 1],
          ],
        },
        { labels: { model: MODEL }, points: [[t + 60, 5 / 60, 5]] },
      ],
    });
  });

  it('selects by label, whatever stands in it', async () => {
    const { body } = await get('/api/v1/series', { signal: 'request.rate', model: MODEL, step: '60', ...range });
    expect(body.series).toEqual([{ labels: {}, points: [[at('10:01:00').getTime() / 1000, 5 / 60, 5]] }]);
    expect((await get('/api/v1/series', { signal: 'request.rate', model: 'none', ...range })).body.series).toEqual([]);
  });

  it('has presets: the last hour, in minutes', async () => {
    const { body } = await get('/api/v1/series', { signal: 'gpu.memory.ratio', by: 'node,gpu' });
    expect(body.step).toBe(60);
    expect(Date.parse(body.to) - Date.parse(body.from)).toBeGreaterThanOrEqual(3600_000);
    expect(body.series.map((s: any) => [s.labels, s.points[0][1]])).toEqual([
      [{ node: 'gpu-1', gpu: '0' }, 0.95],
      [{ node: 'gpu-1', gpu: '1' }, 0.5],
    ]);
  });

  it.each<[Record<string, string>, string]>([
    [{ from: '1772359200', to: '1772359380' }, '2026-03-01T10:00:00.000Z'],
    [{ from: '2026-03-01T10:00', to: '2026-03-01T10:03:00' }, '2026-03-01T10:00:00.000Z'],
    [{ from: '2026-03-01T12:00:00 02:00', to: '2026-03-01T12:03:00+0200' }, '2026-03-01T10:00:00.000Z'],
    [{ from: '2026-03-01', to: '2026-03-02' }, '2026-03-01T00:00:00.000Z'],
  ])('reads the times %j', async (times, from) => {
    const { body } = await get('/api/v1/series', { signal: 'request.rate', ...times });
    expect(body.from).toBe(from);
    expect(body.series).toHaveLength(1);
  });

  it.each<[Record<string, string>, string]>([
    [{}, '"signal" is missing'],
    [{ signal: 'x.y' }, 'There is no signal "x.y". /api/v1/signals lists them.'],
    [
      { signal: 'request.rate', by: 'gpu' },
      'request.rate has no label "gpu"; it has node, engine, model, endpoint, operation.',
    ],
    [{ signal: 'request.rate', gpu: '0' }, 'There is no parameter "gpu"; there are signal, from, to, step, by, node'],
    [
      { signal: 'request.rate', by: 'model); DROP TABLE request; --' },
      'request.rate has no label "model); DROP TABLE request; --"',
    ],
    [{ signal: 'request.rate', from: 'yesterday' }, '"from" is "yesterday": a time such as'],
    [{ signal: 'request.rate', from: '99999999999999' }, '"from" is "99999999999999": a time such as'],
    [{ signal: 'request.rate', from: 'now-soon' }, '"from" is "now-soon"'],
    [{ signal: 'request.rate', from: 'now', to: 'now-1h' }, '"from" must lie before "to".'],
    [{ signal: 'request.rate', step: '0' }, '"step" is "0": a duration such as'],
    [{ signal: 'request.rate', step: '90s' }, '"step" must be whole seconds, and whole minutes from one minute on.'],
    [{ signal: 'request.rate', step: '250ms' }, '"step" must be whole seconds'],
    [{ signal: 'request.rate', from: 'now-30d', step: '1m' }, 'points a series, and 2000 is the most'],
    [{ signal: 'request.rate', model: 'a\0b' }, '"model" holds a NUL character'],
    [{ signal: 'request.rate', model: 'x'.repeat(1001) }, '"model" is longer than 1000 characters.'],
  ])('%j is refused with a sentence', async (parameters, sentence) => {
    const { status, body } = await get('/api/v1/series', parameters);
    expect(status).toBe(400);
    expect(body.error.code).toBe('bad_parameter');
    expect(body.error.message).toContain(sentence);
  });

  it('refuses a parameter that is given twice', async () => {
    const { status, body } = await get('/api/v1/series?signal=a&signal=b');
    expect([status, body.error.message]).toEqual([400, '"signal" is given twice; give it once.']);
  });

  it.each([60, 300, 3600, 86_400, 30 * 86_400, 3000 * 86_400])(
    'chooses a step for %d s that has few points',
    async (seconds) => {
      const to = at('10:00:00').getTime() / 1000;
      const { status, body } = await get('/api/v1/series', {
        signal: 'request.rate',
        from: String(Math.max(0, to - seconds)),
        to: String(to),
      });
      expect(status).toBe(200);
      expect(seconds / body.step).toBeLessThanOrEqual(240);
    },
  );
});

describe('GET /api/v1/rules', () => {
  it('says how each stands', async () => {
    const { body } = await get('/api/v1/rules');
    expect(body.items).toHaveLength(2);
    expect(body.items[0]).toMatchObject({
      rule: 'GpuFull',
      signal: 'gpu.memory.ratio',
      condition: { kind: 'above', threshold: 0.9 },
      for: 0,
      over: null,
      severity: 'critical',
      states: { inactive: 1, pending: 0, firing: 1, resolved: 0, no_data: 0 },
      runbook: '/api/v1/rules/GpuFull/runbook',
      error: null,
    });
    expect(body.items[0].file).toMatch(/gpu\.yaml$/);
    expect(Date.now() - Date.parse(body.items[0].lastEvaluation)).toBeLessThan(30_000);
    expect(body.items[1]).toMatchObject({ rule: 'GpuWaiting', for: 3600, states: { pending: 1, firing: 0 } });
  });

  it('serves the runbooks, and nothing else', async () => {
    const { body, headers } = await get('/api/v1/rules/GpuFull/runbook');
    expect(headers.get('content-type')).toBe('text/markdown; charset=utf-8');
    expect(body).toContain('## What to do');
    for (const name of ['None', '..%2F..%2Fpackage.json', '__proto__'])
      expect((await get(`/api/v1/rules/${name}/runbook`)).status).toBe(404);
  });
});

describe('GET /api/v1/alerts', () => {
  it('lists what fires first, with value, threshold and runbook', async () => {
    const { body } = await get('/api/v1/alerts');
    expect(body.items.map((a: any) => [a.rule, a.labels.gpu, a.state])).toEqual([
      ['GpuFull', '0', 'firing'],
      ['GpuWaiting', '0', 'pending'],
      ['GpuFull', '1', 'inactive'],
      ['GpuWaiting', '1', 'inactive'],
    ]);
    expect(body.items[0]).toMatchObject({
      value: 0.95,
      unit: '1',
      condition: { kind: 'above', threshold: 0.9 },
      severity: 'critical',
      summary: 'GPU 0 on gpu-1 uses 95 % of its memory',
      action: 'docs/runbooks/gpu-memory-high.md',
      runbook: '/api/v1/rules/GpuFull/runbook',
      replay: false,
    });
    for (const name of ['since', 'activeSince', 'firedAt', 'seenAt', 'evaluatedAt'])
      expect(body.items[0][name]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('by state, by rule, and in pages', async () => {
    const rulesOf = async (parameters: Record<string, string>) =>
      (await pages('/api/v1/alerts', parameters)).map((items) => items.map((a) => `${a.rule} ${a.state}`));
    expect(await rulesOf({ state: 'firing,pending' })).toEqual([['GpuFull firing', 'GpuWaiting pending']]);
    expect(await rulesOf({ rule: 'GpuFull' })).toEqual([['GpuFull firing', 'GpuFull inactive']]);
    expect(await rulesOf({ limit: '3' })).toEqual([
      ['GpuFull firing', 'GpuWaiting pending', 'GpuFull inactive'],
      ['GpuWaiting inactive'],
    ]);
    expect(await rulesOf({ rule: `'; --` })).toEqual([[]]);
  });

  it('has a history', async () => {
    const found = await pages('/api/v1/alerts/history', { limit: '1' });
    expect(
      found
        .flat()
        .map((t) => `${t.rule} ${t.from} ${t.to}`)
        .toSorted(),
    ).toEqual(['GpuFull inactive firing', 'GpuWaiting inactive pending']);
    const { body } = await get('/api/v1/alerts/history', { to_state: 'firing', from: 'now-1h', to: 'now' });
    expect(body.items).toHaveLength(1);
    expect(body.items[0].context).toMatchObject({
      severity: 'critical',
      summary: 'GPU 0 on gpu-1 uses 95 % of its memory',
    });
    expect((await get('/api/v1/alerts/history', { to: 'now-1h' })).body.items).toEqual([]);
  });

  it.each<[string, Record<string, string>, string]>([
    [
      'alerts',
      { state: 'burning' },
      '"state" is "burning": one of inactive, pending, firing, resolved, no_data is expected.',
    ],
    ['alerts', { limit: '0' }, '"limit" is "0": a whole number from 1 to 1000 is expected.'],
    ['alerts', { limit: '1e3' }, '"limit" is "1e3"'],
    ['alerts', { cursor: 'x' }, '"cursor" is not one that this list has given'],
    ['alerts/history', { cursor: Buffer.from('["1; DROP TABLE alert"]').toString('base64url') }, '"cursor" is not one'],
    ['alerts/history', { state: 'firing' }, 'There is no parameter "state"; there are rule, to_state'],
    ['rules', { x: '1' }, 'There is no parameter "x"'],
    ['signals', { layer: 'x' }, '"layer" is "x": one of infrastructure, service, conversation is expected.'],
  ])('%s with %j is refused with a sentence', async (path, parameters, sentence) => {
    const { status, body } = await get(`/api/v1/${path}`, parameters);
    expect(status).toBe(400);
    expect(body.error.message).toContain(sentence);
  });
});

describe('GET /api/v1/requests', () => {
  const ids = (items: any[]) => items.map((item) => item.responseId).join(' ');

  it('lists them newest first, each once, whatever the size of a page', async () => {
    const all = ids((await get('/api/v1/requests')).body.items);
    expect(all).toMatch(/^t s\d s\d s\d s\d s\d r4 r3 r2 r1 r0$/);
    for (const limit of ['1', '3', '11']) expect(ids((await pages('/api/v1/requests', { limit })).flat())).toBe(all);
  });

  it('passes over no row that another writer stored to the microsecond', async () => {
    await database.query(
      `UPDATE request SET ended_at = ended_at + make_interval(secs => 0.0000010 * right(response_id, 1)::int) WHERE response_id LIKE 's%'`,
    );
    expect(ids((await pages('/api/v1/requests', { limit: '2' })).flat())).toBe('t s4 s3 s2 s1 s0 r4 r3 r2 r1 r0');
  });

  it('gives every field', async () => {
    const { body } = await get('/api/v1/requests', { response_id: 't' });
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({
      outcome: 'error',
      errorType: 'engine_died',
      endedAt: '2026-03-01T10:02:30.000Z',
      responseLatency: null,
      outputTokens: 20,
      reasoningShare: 0.25,
    });
    expect(body.items[0]).not.toHaveProperty('key');
  });

  it.each<[Record<string, string>, number]>([
    [{ model: MODEL }, 5],
    [{ model: 'm' }, 6],
    [{ outcome: 'error' }, 1],
    [{ outcome: 'ok,error' }, 11],
    [{ conversation_id: 'c1' }, 5],
    [{ node: 'b' }, 0],
    [{ from: '2026-03-01T10:01:00Z' }, 6],
    [{ to: '2026-03-01T10:01:00Z' }, 5],
    [{ from: '2026-03-01T10:00:01Z', to: '2026-03-01T10:00:03Z', outcome: 'ok' }, 2],
  ])('filters by %j', async (parameters, count) => {
    expect((await get('/api/v1/requests', parameters)).body.items).toHaveLength(count);
  });

  it.each<[Record<string, string>, string]>([
    [{ outcome: 'good' }, '"outcome" is "good": one of ok, error, rejection, cancellation is expected.'],
    [{ limit: '5000' }, '"limit" is "5000": a whole number from 1 to 1000 is expected.'],
    [{ limit: '-1' }, '"limit" is "-1"'],
    [{ conversation: 'c1' }, 'There is no parameter "conversation"; there are limit, cursor, outcome, model'],
    [{ cursor: 'bm9uc2Vuc2U' }, '"cursor" is not one that this list has given'],
    [
      { cursor: Buffer.from(`["2026-03-01T10:00:00.000000Z","0' OR 1=1","0"]`).toString('base64url') },
      '"cursor" is not one',
    ],
    [{ cursor: Buffer.from(`["2026-99-99T10:00:00.000000Z","0","0"]`).toString('base64url') }, '"cursor" is not one'],
    [{ cursor: Buffer.from(`["2026-02-31T10:00:00.000000Z","0","0"]`).toString('base64url') }, '"cursor" is not one'],
    [{ from: "2026-03-01' OR 1=1" }, '"from" is'],
  ])('%j is refused with a sentence', async (parameters, sentence) => {
    const { status, body } = await get('/api/v1/requests', parameters);
    expect(status).toBe(400);
    expect(body.error.message).toContain(sentence);
  });
});

describe('around it', () => {
  it('is described by OpenAPI, with answers and errors', async () => {
    const { body } = await get('/docs-json');
    expect(body.openapi).toMatch(/^3\./);
    expect(
      Object.keys(body.paths)
        .filter((path) => path.startsWith('/api/'))
        .toSorted(),
    ).toEqual([
      '/api/v1/alerts',
      '/api/v1/alerts/history',
      '/api/v1/requests',
      '/api/v1/rules',
      '/api/v1/rules/{rule}/runbook',
      '/api/v1/series',
      '/api/v1/signals',
    ]);
    for (const [path, { get: operation }] of Object.entries<any>(body.paths)) {
      if (!path.startsWith('/api/')) continue;
      expect(operation.summary, path).toMatch(/\S/);
      expect(Object.keys(operation.responses), path).toEqual(expect.arrayContaining(['200', '400', '503']));
    }
  });

  it('describes what it answers, field by field', async () => {
    const { body } = await get('/docs-json');
    for (const [path, schema] of [
      ['/api/v1/requests', 'RequestItem'],
      ['/api/v1/alerts', 'AlertItem'],
      ['/api/v1/alerts/history', 'TransitionItem'],
      ['/api/v1/rules', 'RuleItem'],
      ['/api/v1/signals', 'SignalItem'],
    ]) {
      const [item] = (await get(path!)).body.items;
      expect(Object.keys(item).toSorted(), path).toEqual(
        Object.keys(body.components.schemas[schema!].properties).toSorted(),
      );
    }
  });

  it('has a page to read it, which loads nothing from elsewhere', async () => {
    const { status, body, headers } = await get('/docs');
    expect(status).toBe(200);
    expect(body).not.toMatch(/(src|href)="(https?:)?\/\//);
    // What its policy forbids, it does not need.
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(body).not.toMatch(/<script>[^<]*\S/);
    const script = /src="\.?\/?([^"]*swagger-ui-bundle[^"]*)"/.exec(body)![1]!;
    expect((await get(`/${script.replace(/^\.?\//, '')}`)).status).toBe(200);
  });

  it('has a first page with the alerts', async () => {
    const { body, headers } = await get('/');
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(body).toContain('2 inactive, 1 pending, 1 firing');
    expect(body).not.toMatch(/<script|https?:\/\//);
  });

  it('sends its headers with every answer, and lets no other origin read', async () => {
    for (const path of ['/', '/api/v1/alerts', '/api/v1/none', '/metrics']) {
      const response = await fetch(`${api}${path}`, { headers: { origin: 'https://evil.example' } });
      expect(response.headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(response.headers.get('x-frame-options'), path).toBe('DENY');
      expect(response.headers.get('access-control-allow-origin'), path).toBeNull();
    }
    expect((await get('/api/v1/alerts')).headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['GET', '/api/v1/none', 404, 'There is nothing at GET /api/v1/none. See /docs.'],
    ['POST', '/api/v1/alerts', 404, 'There is nothing at POST /api/v1/alerts.'],
  ])('%s %s is answered %d', async (method, path, status, sentence) => {
    const response = await fetch(`${api}${path}`, { method });
    expect(response.status).toBe(status);
    const body = (await response.json()) as { error: { message: string; code: string } };
    expect(body.error.message).toContain(sentence);
    expect(body.error.code).toMatch(/^[a-z_]+$/);
  });

  it('says its metrics', async () => {
    const { body } = await get('/metrics');
    for (const name of [
      'vigil_rule_evaluations_total',
      'vigil_rule_evaluation_failures_total',
      'vigil_rule_evaluation_duration_seconds',
      'vigil_alerts',
      'vigil_notifications_total',
      'vigil_notification_outbox_waiting',
      'vigil_notification_outbox_age_seconds',
      'vigil_evaluator_leader',
    ])
      expect(body).toContain(`# TYPE ${name} `);
  });

  it('left the tables alone', async () => {
    expect((await database.query('SELECT count(*)::int AS n FROM request'))[0]!.n).toBe(11);
  });
});
