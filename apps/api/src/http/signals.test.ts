import { SIGNALS } from '@vigil/signals';
import { createTestDatabase, until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, MODEL, startTestApi, type TestApi } from './testing.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ database: await createTestDatabase(), until });
});
afterAll(() => api.stop());

const get: TestApi['get'] = (path, parameters) => api.get(path, parameters);

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
    [{ signal: 'request.rate', step: '999999999d' }, '"step" is "999999999d": a duration such as'],
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

  it('left the tables alone', async () => {
    expect((await api.database.query('SELECT count(*)::int AS n FROM request'))[0]!.n).toBe(11);
  });
});
