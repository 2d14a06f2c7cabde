import { createTestDatabase, until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './testing.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ database: await createTestDatabase(), until });
});
afterAll(() => api.stop());

const get: TestApi['get'] = (path, parameters) => api.get(path, parameters);

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
      (await api.pages('/api/v1/alerts', parameters)).map((items) => items.map((a) => `${a.rule} ${a.state}`));
    expect(await rulesOf({ state: 'firing,pending' })).toEqual([['GpuFull firing', 'GpuWaiting pending']]);
    expect(await rulesOf({ rule: 'GpuFull' })).toEqual([['GpuFull firing', 'GpuFull inactive']]);
    expect(await rulesOf({ limit: '3' })).toEqual([
      ['GpuFull firing', 'GpuWaiting pending', 'GpuFull inactive'],
      ['GpuWaiting inactive'],
    ]);
    expect(await rulesOf({ rule: `'; --` })).toEqual([[]]);
  });

  it('in full, by the id of its firing: with its incident and its history', async () => {
    const [first] = (await get('/api/v1/alerts', { state: 'firing' })).body.items;
    expect(first).toMatchObject({ source: 'vigil', id: expect.stringMatching(/^\d+$/) });
    let body: any;
    await until('the incident', async () => {
      ({ body } = await get(`/api/v1/alerts/${first.id}`));
      return body.incident !== null;
    });
    expect(body).toMatchObject({
      id: first.id,
      rule: 'GpuFull',
      state: 'firing',
      resolvedAt: null,
      value: 0.95,
      context: { severity: 'critical', signal: 'gpu.memory.ratio' },
      runbook: '/api/v1/rules/GpuFull/runbook',
      incident: { status: 'complete', isKnown: false, ending: null },
    });
    expect(body.incident.lines).toHaveLength(3);
    expect(body.history.map((t: any) => t.to)).toEqual(['firing']);
    const { schemas } = (await get('/docs-json')).body.components;
    for (const [schema, item] of [
      ['AlertDetail', body],
      ['IncidentItem', body.incident],
      ['IncidentRequests', body.incident.requests],
    ] as const)
      expect(Object.keys(item).toSorted(), schema).toEqual(Object.keys(schemas[schema].properties).toSorted());
  });

  it.each(['0', '999999999', 'x', '-1', '1e3', '9'.repeat(30)])('there is none of the id %s', async (id) => {
    const { status, body } = await get(`/api/v1/alerts/${id}`);
    expect(status).toBe(404);
    expect(body.error.message).toContain(`There is no alert "${id}".`);
  });

  it('has a history', async () => {
    const found = await api.pages('/api/v1/alerts/history', { limit: '1' });
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
    ['alerts', { cursor: Buffer.from('[99999999999,"a","b"]').toString('base64url') }, '"cursor" is not one'],
    ['alerts', { cursor: Buffer.from('[1,"a\\u0000","b"]').toString('base64url') }, '"cursor" is not one'],
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
