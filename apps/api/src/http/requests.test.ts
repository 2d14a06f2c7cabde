import { createTestDatabase, until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MODEL, startTestApi, type TestApi } from './testing.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ database: await createTestDatabase(), until });
});
afterAll(() => api.stop());

const get: TestApi['get'] = (path, parameters) => api.get(path, parameters);

describe('GET /api/v1/requests', () => {
  const ids = (items: any[]) => items.map((item) => item.responseId).join(' ');

  it('lists them newest first, each once, whatever the size of a page', async () => {
    const all = ids((await get('/api/v1/requests')).body.items);
    expect(all).toMatch(/^t s\d s\d s\d s\d s\d r4 r3 r2 r1 r0$/);
    for (const limit of ['1', '3', '11'])
      expect(ids((await api.pages('/api/v1/requests', { limit })).flat())).toBe(all);
  });

  it('passes over no row that another writer stored to the microsecond', async () => {
    await api.database.query(
      `UPDATE request SET ended_at = ended_at + make_interval(secs => 0.0000010 * right(response_id, 1)::int) WHERE response_id LIKE 's%'`,
    );
    expect(ids((await api.pages('/api/v1/requests', { limit: '2' })).flat())).toBe('t s4 s3 s2 s1 s0 r4 r3 r2 r1 r0');
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
    [{ cursor: Buffer.from(`["0000-01-01T10:00:00.000000Z","0","0"]`).toString('base64url') }, '"cursor" is not one'],
    [{ from: '2026-02-30' }, '"from" is "2026-02-30": a time such as'],
    [{ cursor: Buffer.from(`["2026-99-99T10:00:00.000000Z","0","0"]`).toString('base64url') }, '"cursor" is not one'],
    [{ cursor: Buffer.from(`["2026-02-31T10:00:00.000000Z","0","0"]`).toString('base64url') }, '"cursor" is not one'],
    [{ from: "2026-03-01' OR 1=1" }, '"from" is'],
  ])('%j is refused with a sentence', async (parameters, sentence) => {
    const { status, body } = await get('/api/v1/requests', parameters);
    expect(status).toBe(400);
    expect(body.error.message).toContain(sentence);
  });

  it('left the tables alone', async () => {
    expect((await api.database.query('SELECT count(*)::int AS n FROM request'))[0]!.n).toBe(11);
  });
});
