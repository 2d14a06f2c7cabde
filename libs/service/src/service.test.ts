import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Module } from '@nestjs/common';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  bytes,
  duration,
  flag,
  httpUrl,
  integer,
  LONGEST_TIMER,
  oneOf,
  parseDuration,
  port,
  readConfig,
} from './config.js';
import { Health } from './health.js';
import { Lifecycle } from './lifecycle.js';
import { withoutSecrets } from './log.js';
import { tooOld } from './main.js';
import { createRegistry } from './metrics.js';
import { createWeb, listen } from './web.js';

const silent = () => pino(new Writable({ write: (_chunk, _encoding, done) => done() }));

const schema = z.object({
  PORT: port(8000),
  INTERVAL: duration('15s', 1),
  PATIENCE: duration('0s', 0, LONGEST_TIMER),
  LIMIT: bytes('10MiB'),
  SLOTS: integer(4, 1, 64),
  ON: flag(true),
  SOURCE: oneOf(['auto', 'none'], 'auto'),
  WEBHOOK_URL: httpUrl().optional(),
});

describe('the configuration', () => {
  it('has presets, and an empty variable counts as unset', () => {
    expect(readConfig(schema, { PORT: '', OTHER: 'x' })).toEqual({
      PORT: 8000,
      PATIENCE: 0,
      INTERVAL: 15,
      LIMIT: 10 * 2 ** 20,
      SLOTS: 4,
      ON: true,
      SOURCE: 'auto',
    });
  });

  it.each([
    [{ PORT: '70000' }, 'PORT is "70000": a whole number from 0 to 65535 is expected.'],
    [{ PORT: '80.5' }, 'PORT is "80.5": a whole number from 0 to 65535 is expected.'],
    [{ PATIENCE: '30d' }, 'PATIENCE is "30d": a duration such as 500ms, 15s or 10m, at most 24d, is expected.'],
    [{ INTERVAL: '500ms' }, 'INTERVAL is "500ms": a duration such as 500ms, 15s or 10m, at least 1s, is expected.'],
    [{ INTERVAL: 'soon' }, 'INTERVAL is "soon"'],
    [{ LIMIT: '10 MB' }, 'LIMIT is "10 MB": a size such as 512KiB, 10MiB or 2GiB is expected.'],
    [{ ON: 'maybe' }, 'ON is "maybe": true or false is expected.'],
    [{ SOURCE: 'nvml' }, 'SOURCE is "nvml": one of auto, none is expected.'],
    [
      { WEBHOOK_URL: 'ftp://user:hidden@host' },
      'WEBHOOK_URL is wrong: a URL that begins with http:// or https:// is expected.',
    ],
  ])('%j stops the start with a sentence', (env, sentence) => {
    expect(() => readConfig(schema, env as Record<string, string>)).toThrow(sentence);
    expect(() => readConfig(schema, env as Record<string, string>)).not.toThrow('hidden');
  });

  it('names every wrong variable at once', () => {
    expect(() => readConfig(schema, { PORT: 'x', ON: 'y' })).toThrow(/PORT is "x".*\nON is "y"/);
  });

  it('reads a secret from the file that NAME_FILE names; the variable itself wins', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vigil-secret-'));
    try {
      const [file, empty] = [join(folder, 'url'), join(folder, 'empty')];
      writeFileSync(file, 'https://user:hidden@host/\n');
      writeFileSync(empty, '\n');
      const read = (env: Record<string, string>) => readConfig(schema, env);
      expect(read({ WEBHOOK_URL_FILE: file }).WEBHOOK_URL).toBe('https://user:hidden@host/');
      expect(read({ WEBHOOK_URL_FILE: file, WEBHOOK_URL: 'http://b' }).WEBHOOK_URL).toBe('http://b');
      expect(read({ SOURCE_FILE: join(folder, 'none') }).SOURCE).toBe('auto');
      expect(() => read({ WEBHOOK_URL_FILE: empty })).toThrow(`WEBHOOK_URL_FILE names ${empty}, which is empty.`);
      expect(() => read({ WEBHOOK_URL_FILE: join(folder, 'none') })).toThrow(
        /^WEBHOOK_URL_FILE names .*ENOENT.* or set WEBHOOK_URL\.$/,
      );
      writeFileSync(file, 'ftp://user:hidden@host');
      expect(() => read({ WEBHOOK_URL_FILE: file })).toThrow('WEBHOOK_URL is wrong: a URL');
      expect(() => read({ WEBHOOK_URL_FILE: file })).not.toThrow('hidden');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    ['250ms', 0.25],
    ['1h30m', 5400],
    ['10m', 600],
    ['1.5h', undefined],
    ['', undefined],
    ['10', undefined],
  ])('reads the duration %s as %s s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
});

describe('a lifecycle', () => {
  it('undoes last in, first out, once, whatever fails or hangs', async () => {
    const order: string[] = [];
    const lifecycle = new Lifecycle(silent(), 200);
    lifecycle.onStop('first', () => order.push('first'));
    lifecycle.onStop('hangs', () => new Promise(() => order.push('hangs')));
    lifecycle.onStop('fails', () => {
      order.push('fails');
      throw new Error('no');
    });
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    expect(order).toEqual(['fails', 'hangs', 'first']);
  });
});

describe('the web side', () => {
  @Module({})
  class Empty {}

  const start = async (health: Health, at = 0) => {
    const lifecycle = new Lifecycle(silent());
    const registry = createRegistry('test', '1.2.3');
    const app = await createWeb({ module: Empty, health, registry, log: silent(), lifecycle });
    return { lifecycle, address: await listen(app, '127.0.0.1', at, 'TEST_PORT') };
  };

  it('tells health, readiness and metrics', async () => {
    const health = new Health();
    let reason: string | undefined;
    health.add({ name: 'optional', required: false, check: () => 'away' });
    health.add({ name: 'needed', required: true, check: () => reason });
    const { lifecycle, address } = await start(health);
    const ready = async () => {
      const response = await fetch(`${address}/health/ready`);
      return [response.status, ((await response.json()) as { status: string }).status];
    };
    expect((await fetch(`${address}/health/live`)).status).toBe(200);
    expect(await ready()).toEqual([200, 'degraded']);
    reason = 'the model is loading';
    expect(await ready()).toEqual([503, 'unavailable']);
    const metrics = await (await fetch(`${address}/metrics`)).text();
    expect(metrics).toMatch(/vigil_build_info\{version="1.2.3".*service="test"\} 1/);
    const busy = Number(/nodejs_eventloop_utilization_ratio\{.*\} (\S+)/.exec(metrics)?.[1]);
    expect(busy).toBeGreaterThan(0);
    expect(busy).toBeLessThanOrEqual(1);
    expect(metrics).toContain('nodejs_eventloop_lag_seconds{');
    expect(metrics).not.toContain('nodejs_eventloop_lag_p99_seconds');
    await lifecycle.stop();
    await expect(fetch(`${address}/health/live`)).rejects.toThrow('fetch failed');
  });

  it("answers an address that can't be read with a sentence", async () => {
    const { lifecycle, address } = await start(new Health());
    const { hostname, port } = new URL(address);
    const [status, body] = await new Promise<[number, string]>((resolve, reject) => {
      const request = get({ hostname, port, path: '/%zz' }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.on('end', () => resolve([response.statusCode!, text]));
      });
      request.on('error', reject);
    });
    expect([status, (JSON.parse(body) as { error: { code: string } }).error.code]).toEqual([400, 'bad_url']);
    await lifecycle.stop();
  });

  it.each([
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431',
      'headers_too_large',
    ],
    ['what is no HTTP', 'good day\r\n\r\n', '400', 'bad_request'],
  ])('answers %s with a sentence', async (_, sent, status, code) => {
    const { lifecycle, address } = await start(new Health());
    const socket = connect(Number(new URL(address).port), '127.0.0.1');
    socket.write(sent);
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    expect(head!.split(' ')[1]).toBe(status);
    expect((JSON.parse(body!) as { error: { code: string } }).error.code).toBe(code);
    await lifecycle.stop();
  });

  it('says which variable to change when its port is taken', async () => {
    const first = await start(new Health());
    const taken = Number(new URL(first.address).port);
    await expect(start(new Health(), taken)).rejects.toThrow(
      `Port ${taken} on 127.0.0.1 is taken. Stop the program that listens there, or set TEST_PORT to a free port.`,
    );
    await first.lifecycle.stop();
  });
});

describe('secrets', () => {
  it('are cut out of URLs', () => {
    expect(withoutSecrets('https://user:pass@hooks.example.com/services?token=1')).toBe(
      'https://hooks.example.com/services',
    );
    expect(withoutSecrets('nonsense')).toBe('(not a URL)');
  });
});

describe('a process', () => {
  it('is not started by a Node.js that lacks what it needs', () => {
    expect(tooOld(process.versions.node)).toBeUndefined();
    expect(tooOld('24.0.0')).toBeUndefined();
    expect(tooOld('20.20.2')).toMatch(/^This runs on Node\.js 24 or newer, and this is 20\.20\.2\..*\.$/);
  });
});
