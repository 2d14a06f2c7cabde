import { createTestDatabase, until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './testing.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ database: await createTestDatabase(), until });
});
afterAll(() => api.stop());

describe('GET /api/v1/gpu-events', () => {
  const path = '/api/v1/gpu-events';
  const names = (items: any[]) => items.map(({ node, gpu, kind, code }) => `${node} ${gpu} ${kind} ${code}`);

  it('lists them newest first, each once, whatever the size of a page', async () => {
    const all = names((await api.get(path)).body.items);
    expect(all).toHaveLength(4);
    expect(all[0]).toBe('a 0 lost null');
    for (const limit of ['1', '3']) expect(names((await api.pages(path, { limit })).flat())).toEqual(all);
  });

  it('says what each means', async () => {
    const { body } = await api.get(path, { class: 'critical', kind: 'xid' });
    expect(body.items).toMatchObject([{ time: '2026-03-01T10:00:00.000Z', code: 79, meaning: 'It fell off.' }]);
    expect(Object.keys(body.items[0])).not.toContain('key');
  });

  it.each<[Record<string, string>, number]>([
    [{ node: 'b' }, 1],
    [{ gpu: '0' }, 2],
    [{ class: 'warning,application' }, 2],
    [{ from: '2026-03-01T10:00:01Z' }, 1],
    [{ to: '2026-03-01T10:00:01Z' }, 3],
  ])('filters by %j', async (parameters, count) => {
    expect((await api.get(path, parameters)).body.items).toHaveLength(count);
  });

  it.each<[Record<string, string>, string]>([
    [{ kind: 'xids' }, '"kind" is "xids": one of xid, lost, returned is expected.'],
    [{ cursor: 'bm9uc2Vuc2U' }, '"cursor" is not one that this list has given'],
    [{ code: '79' }, 'There is no parameter "code"'],
  ])('refuses %j', async (parameters, message) => {
    const { status, body } = await api.get(path, parameters);
    expect(status).toBe(400);
    expect(body.error.message).toContain(message);
  });
});
