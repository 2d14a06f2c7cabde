import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger, createRegistry, Lifecycle } from '@vigil/service';
import type { EngineSampleRow } from '@vigil/store';
import { until } from '@vigil/testing';
import type { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { seriesOf } from '../testing.js';
import { parseEngines } from './config.js';
import { startEngines } from './engines.js';
import { readEngine } from './read.js';
import { LLAMA, SGLANG, VLLM, VLLM_TO_COME } from './testing-expositions.js';

let server: Server;
let url: string;
let answer: (response: ServerResponse) => void;
let authorization: string | undefined;
let lifecycle: Lifecycle;
let registry: Registry;
let sunk: EngineSampleRow[];
const log = createLogger('test', 'silent');

beforeEach(async () => {
  server = createServer((request, response) => {
    authorization = request.headers.authorization;
    answer(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  lifecycle = new Lifecycle(log);
  registry = createRegistry('collector', '1');
  sunk = [];
});
afterEach(async () => {
  await lifecycle.stop();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const start = (engines: string, timeout = 5) =>
  startEngines({
    config: { ENGINE_METRICS: engines, ENGINE_INTERVAL: 0.05, ENGINE_TIMEOUT: timeout },
    node: 'n1',
    registry,
    sink: async (rows) => void sunk.push(...rows),
    lifecycle,
    log,
  });
const value = async (name: string, labels: Record<string, string> = {}) =>
  seriesOf(await registry.metrics(), name, { node: 'n1', engine: 'r1', ...labels });
const says = (text: string) => (response: ServerResponse) => void response.end(text);

describe('engines', () => {
  it('are told under neutral names, with what matched, and can be read as any engine', async () => {
    answer = says(VLLM);
    start(`r1=${url}`);
    await until('a reading', async () => (await value('vigil_engine_up')) === 1);
    expect(await value('vigil_engine_requests_running', { gen_ai_request_model: 'deepseek-ai/DeepSeek-R1' })).toBe(21);
    expect(sunk[0]).toMatchObject({
      node: 'n1',
      server: 'r1',
      kind: 'vllm',
      running: 21,
      waiting: 3,
      kvCacheRatio: 0.8312,
    });
    expect(await value('vigil_engine_kv_cache_usage_ratio')).toBe(0.8312);
    expect(await value('vigil_engine_tokens_total', { kind: 'output' })).toBe(2.145e7);
    expect(await value('vigil_engine_queue_duration_seconds_bucket', { le: '1.0' })).toBe(5100);
    expect(await value('vigil_engine_queue_duration_seconds_count')).toBe(5130);
    expect(await value('vigil_engine_last_scrape_timestamp_seconds')).toBeGreaterThan(1.7e9);
    expect(await value('vigil_engine_measures_missing', { kind: 'vllm' })).toBe(0);
    expect(await value('vigil_engine_scrape_failures_total', { reason: 'timeout' })).toBe(0);
    const text = await registry.metrics();
    const alias = 'measure="kv_cache_usage",alias="vllm:kv_cache_usage_perc",guessed="false",table="2"';
    expect(text).toContain(`vigil_engine_alias_info{node="n1",engine="r1",kind="vllm",${alias},service="collector"} 1`);
    expect(text).toContain('# TYPE vigil_engine_queue_duration_seconds histogram');
    expect(text).toContain('# TYPE vigil_engine_tokens_total counter');
    expect(readEngine(text.replaceAll('vigil_engine_requests_running', 'vllm:num_requests_running'))!.unreadable).toBe(
      0,
    );
  });

  it('that fall silent leave no series behind but that they are silent, and come back', async () => {
    answer = says(LLAMA);
    start(`r1=${url} other=${url}/other`);
    await until('a reading', async () => (await value('vigil_engine_requests_running')) === 4);
    const last = (await value('vigil_engine_last_scrape_timestamp_seconds'))!;
    answer = (response) => void response.writeHead(503).end();
    await until('silence', async () => (await value('vigil_engine_up')) === 0);
    const text = await registry.metrics();
    expect(text).not.toMatch(/^vigil_engine_(requests_running|tokens_total|alias_info)\{[^}]*engine="r1"/m);
    expect(await value('vigil_engine_scrape_failures_total', { reason: 'status' })).toBeGreaterThan(0);
    expect(await value('vigil_engine_last_scrape_timestamp_seconds')).toBeGreaterThanOrEqual(last);
    answer = says(SGLANG);
    await until('its return', async () => (await value('vigil_engine_requests_running')) === 31);
  });

  it('that begin a moment later are not complained of, and those that stay away once', async () => {
    const warn = vi.spyOn(log, 'warn');
    const asked = { late: 0, away: 0 };
    answer = (response) => {
      const name = response.req.url === '/away' ? 'away' : 'late';
      if (++asked[name] === 1 || name === 'away') response.writeHead(503).end();
      else says(VLLM)(response);
    };
    start(`late=${url}/late away=${url}/away`);
    await until('five looks at each', async () => Math.min(asked.late, asked.away) >= 5);
    expect(warn.mock.calls.map(([facts]) => (facts as { engine: string }).engine)).toEqual(['away']);
    warn.mockRestore();
  });

  it('of a version that is not known are told as far as can be', async () => {
    answer = says(VLLM_TO_COME);
    start(`r1=${url}`);
    await until('a reading', async () => (await value('vigil_engine_requests_running')) === 4);
    expect(await value('vigil_engine_measures_missing')).toBe(1);
    expect(await value('vigil_engine_alias_info', { measure: 'running', guessed: 'true' })).toBe(1);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['unrecognised', says('go_goroutines 5\n')],
    ['status', (response) => void response.writeHead(302, { location: '/x' }).end()],
    ['timeout', () => undefined],
    ['timeout', (response) => void response.write('vllm:num_requests_running 1\n')],
    ['unreachable', (response) => response.destroy()],
    ['too_large', (response) => void response.end(Buffer.alloc(17 * 2 ** 20, '#'))],
  ])('that fail do so by name: %s', async (reason, reply) => {
    answer = reply;
    start(`r1=${url}`, 2);
    await until('the failure', async () => ((await value('vigil_engine_scrape_failures_total', { reason })) ?? 0) > 0);
    expect(await value('vigil_engine_up')).toBe(0);
  });

  it('are asked with the user and password of their URL, which nobody is shown', async () => {
    answer = says(LLAMA);
    start(`r1=${url.replace('//', '//me:top%20secret@')}/metrics`);
    await until('a reading', async () => (await value('vigil_engine_up')) === 1);
    expect(authorization).toBe(`Basic ${Buffer.from('me:top secret').toString('base64')}`);
    expect(await registry.metrics()).not.toMatch(/top.?(%20)?secret/);
  });

  it('that are named nowhere cost nothing', async () => {
    start('');
    expect(await registry.metrics()).not.toContain('vigil_engine');
  });
});

describe('ENGINE_METRICS', () => {
  it('is read', () => {
    expect(parseEngines(' a=http://x:8000  b=https://y/m?z=1 ')).toEqual([
      { name: 'a', url: 'http://x:8000/metrics', authorization: undefined },
      { name: 'b', url: 'https://y/m?z=1', authorization: undefined },
    ]);
  });

  it.each([
    ['http://x', /entry 1: name=URL is expected/],
    ['a=http://x b=', /entry 2/],
    ['a=http://x a=http://y', /"a": the name is given twice/],
    ['a=file:///x', /begins with http/],
    ['a=http://u:secret@', /begins with http/],
    [Array.from({ length: 201 }, (_, i) => `a${i}=http://x`).join(' '), /more than 200/],
  ])('%s is refused', (text, message) => {
    expect(() => parseEngines(text)).toThrow(message);
    expect(() => parseEngines(text)).not.toThrow(/secret/);
  });
});
