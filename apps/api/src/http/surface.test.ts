import { createTestDatabase, until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './testing.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ database: await createTestDatabase(), until });
});
afterAll(() => api.stop());

const get: TestApi['get'] = (path, parameters) => api.get(path, parameters);

describe('around it', () => {
  it('is described by OpenAPI, with answers and errors', async () => {
    const { body } = await get('/docs-json');
    expect(body.openapi).toMatch(/^3\./);
    expect(
      Object.keys(body.paths)
        .filter((path) => path.startsWith('/api/'))
        .toSorted(),
    ).toEqual([
      '/api/v1/alertmanager',
      '/api/v1/alerts',
      '/api/v1/alerts/history',
      '/api/v1/alerts/{id}',
      '/api/v1/gpu-events',
      '/api/v1/notifications',
      '/api/v1/notifications/{id}/retry',
      '/api/v1/requests',
      '/api/v1/rules',
      '/api/v1/rules/preview',
      '/api/v1/rules/{rule}',
      '/api/v1/rules/{rule}/runbook',
      '/api/v1/series',
      '/api/v1/signals',
      '/api/v1/silences',
      '/api/v1/silences/{id}',
    ]);
    for (const [path, operations] of Object.entries<any>(body.paths)) {
      if (!path.startsWith('/api/')) continue;
      for (const [method, operation] of Object.entries<any>(operations)) {
        expect(operation.summary, path).toMatch(/\S/);
        const made = path === '/api/v1/silences' || path === '/api/v1/rules';
        const good = made && method === 'post' ? '201' : path.includes('{rule}') && method === 'delete' ? '204' : '200';
        expect(Object.keys(operation.responses), path).toEqual(expect.arrayContaining([good, '400', '503']));
      }
    }
  });

  it('describes what it answers, field by field', async () => {
    const { body } = await get('/docs-json');
    for (const [path, schema] of [
      ['/api/v1/requests', 'RequestItem'],
      ['/api/v1/alerts', 'AlertItem'],
      ['/api/v1/gpu-events', 'GpuEventItem'],
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
      const response = await fetch(`${api.url}${path}`, { headers: { origin: 'https://evil.example' } });
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
    const response = await fetch(`${api.url}${path}`, { method });
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
});
