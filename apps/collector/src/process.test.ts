import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PostgresServer } from '@vigil/postgres';
import type { ProcessMessage } from '@vigil/service';
import { createStore } from '@vigil/store';
import { until } from '@vigil/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chatSpan, post, protobufBody, PROTOBUF_HEADERS, seriesOf, toOtlp } from './testing.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** The collector as it really runs: a process that can be killed. */
class Collector {
  output = '';
  otlp = '';
  metricsUrl = '';

  private constructor(private readonly child: ChildProcess) {}

  static async start(env: Record<string, string>): Promise<Collector> {
    const collector = Collector.launch(env);
    const [message] = (await once(collector.child, 'message')) as [ProcessMessage];
    if (message.type !== 'ready') throw new Error(`${JSON.stringify(message)}\n${collector.output}`);
    collector.otlp = message.addresses.otlp!;
    collector.metricsUrl = message.addresses.metrics!;
    return collector;
  }

  static launch(env: Record<string, string>): Collector {
    const ports = { OTLP_PORT: '0', COLLECTOR_PORT: '0', GPU_SOURCE: 'none', LOG_LEVEL: 'warn' };
    const child = fork(MAIN, [], { env: { PATH: process.env.PATH, ...ports, ...env }, silent: true });
    const collector = new Collector(child);
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (collector.output += chunk.toString()));
    return collector;
  }

  /** @returns the exit code, `null` after a signal */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
    return this.child.exitCode;
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.ended();
  }

  async metric(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    return seriesOf(await (await fetch(`${this.metricsUrl}/metrics`)).text(), name, labels);
  }

  /** Sends one export. @returns the answer, and the ids that were sent */
  async send(count: number): Promise<{ answer: Response; ids: string[] }> {
    const spans = Array.from({ length: count }, () => chatSpan());
    const answer = await post(this.otlp, protobufBody(toOtlp(spans)), PROTOBUF_HEADERS);
    return { answer, ids: spans.map((s) => s.spanId!) };
  }
}

let folder: string;
let server: PostgresServer;
let running: Collector[] = [];
let databases = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-collector-process-'));
  await chmod(folder, 0o755);
  server = await PostgresServer.prepare({ folder: join(folder, 'postgres'), port: 0, settings: { fsync: 'off' } });
});
afterEach(async () => {
  for (const collector of running) await collector.stop('SIGKILL');
  running = [];
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A database and a data folder of its own for one test; PostgreSQL runs. */
async function room(more: Record<string, string> = {}) {
  const name = `room_${databases++}`;
  await server.start(name);
  const env = { DATABASE_URL: server.url(name), DATA_DIR: join(folder, name), ...more };
  return {
    start: async () => {
      const collector = await Collector.start(env);
      running.push(collector);
      return collector;
    },
    /** Ids that are stored, and how many the roll-ups count. */
    stored: async (): Promise<{ ids: Set<string>; counted: number }> => {
      const store = createStore({ url: env.DATABASE_URL, applicationName: 'test' });
      await store.initialize();
      try {
        const rows = (await store.query('SELECT span_id FROM request')) as { span_id: string }[];
        const [sum] = (await store.query('SELECT coalesce(sum(requests), 0)::int AS n FROM request_minute')) as [
          { n: number },
        ];
        return { ids: new Set(rows.map((r) => r.span_id)), counted: sum.n };
      } finally {
        await store.destroy();
      }
    },
  };
}

describe('PostgreSQL goes away', () => {
  it('and comes back: everything that was accepted is stored once, though the collector was killed meanwhile', async () => {
    const { start, stored } = await room();
    let collector = await start();
    const accepted: string[] = [];
    const send = async () => {
      const { answer, ids } = await collector.send(3);
      expect(answer.status).toBe(200);
      accepted.push(...ids);
    };
    await send();
    await server.stop();
    for (let i = 0; i < 5; i++) await send();
    await Promise.all([send(), send(), send(), send()]);
    expect(await collector.metric('vigil_store_up')).toBe(0);
    expect(await collector.metric('vigil_spool_entries', { table: 'request' })).toBeGreaterThan(0);
    expect(await collector.metric('vigil_spool_bytes', { table: 'request' })).toBeGreaterThan(0);
    expect(await collector.metric('vigil_requests_total', { outcome: 'ok' })).toBe(30);
    const ready = await fetch(`${collector.metricsUrl}/health/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      status: 'degraded',
      checks: { store: { status: 'ill', reason: expect.stringContaining('PostgreSQL') } },
    });

    await collector.stop('SIGKILL');
    collector = await start();
    await send();
    expect(await collector.metric('vigil_store_up')).toBe(0);

    await server.start('room_0');
    await until(
      'the spool to be empty',
      async () => (await collector.metric('vigil_spool_entries', { table: 'request' })) === 0,
    );
    await send();
    expect(await collector.metric('vigil_store_up')).toBe(1);
    expect(await collector.metric('vigil_rows_written_total', { table: 'request' })).toBe(accepted.length - 3);
    const { ids, counted } = await stored();
    expect([...ids].toSorted()).toEqual(accepted.toSorted());
    expect(counted).toBe(accepted.length);
    expect(collector.output).not.toContain(new URL(server.url()).password);
    expect(await collector.stop('SIGTERM')).toBe(0);
    await server.stop();
  });

  it('for longer than the bound allows: 503 with Retry-After, and nothing of what was taken is lost', async () => {
    const { start, stored } = await room({ OTLP_SPOOL_MAX: '8KiB' });
    const collector = await start();
    await server.stop();
    const accepted: string[] = [];
    let refused: Response | undefined;
    let refusedIds: string[] = [];
    for (let i = 0; i < 50 && !refused; i++) {
      const { answer, ids } = await collector.send(2);
      if (answer.status === 200) accepted.push(...ids);
      else [refused, refusedIds] = [answer, ids];
    }
    expect(accepted.length).toBeGreaterThan(0);
    expect(refused!.status).toBe(503);
    expect(Number(refused!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await collector.metric('vigil_otlp_requests_total', { code: '503' })).toBe(1);
    expect(await collector.metric('vigil_otlp_spans_total', { result: 'accepted' })).toBe(accepted.length);
    expect(await collector.metric('vigil_spool_bytes', { table: 'request' })).toBeLessThanOrEqual(8192);

    await server.start('room_1');
    await until('PostgreSQL to be up', async () => (await collector.metric('vigil_store_up')) === 1);
    await until(
      'the spool to be empty',
      async () => (await collector.metric('vigil_spool_entries', { table: 'request' })) === 0,
    );
    const { ids } = await stored();
    expect([...ids].toSorted()).toEqual(accepted.toSorted());
    expect(refusedIds.some((id) => ids.has(id))).toBe(false);
    expect((await collector.send(2)).answer.status).toBe(200);
    await server.stop();
  });
});

describe('SIGKILL', () => {
  it('at any moment loses nothing that was answered 200', async () => {
    const { start, stored } = await room();
    const accepted: string[] = [];
    for (const [after, away] of [
      [5, false],
      [40, true],
      [90, false],
    ] as const) {
      if (away) await server.stop();
      else await server.start('room_2');
      const collector = await start();
      let answered = 0;
      const killed = until('so many answers', () => answered >= after).then(() => collector.stop('SIGKILL'));
      const sender = async () => {
        for (;;) {
          const sent = await collector.send(4).catch(() => undefined);
          if (sent?.answer.status !== 200) return;
          answered += 1;
          accepted.push(...sent.ids);
        }
      };
      await Promise.all([killed, ...Array.from({ length: 8 }, sender)]);
    }
    const collector = await start();
    await until(
      'the spool to be empty',
      async () => (await collector.metric('vigil_spool_entries', { table: 'request' })) === 0,
    );
    const { ids, counted } = await stored();
    expect(accepted.filter((id) => !ids.has(id))).toEqual([]);
    expect(accepted.length).toBeGreaterThan(400);
    expect(counted).toBe(ids.size);
    await server.stop();
  });
});

describe('a wrong start', () => {
  it.each([
    [{ DATABASE_URL: 'mysql://me:hush@127.0.0.1/x' }, 'DATABASE_URL is wrong: a URL such as postgres://'],
    [{}, 'DATABASE_URL is not set: a URL such as postgres://'],
    [{ DATABASE_URL: 'postgres://x@127.0.0.1/x', RETENTION: 'long' }, 'RETENTION is "long"'],
    [
      { DATABASE_URL: 'postgres://x@127.0.0.1:1/x', DATA_DIR: MAIN },
      'Set DATA_DIR to a folder that this user may write',
    ],
    [{ DATABASE_URL: 'postgres://x@127.0.0.1/x', OTLP_BODY_LIMIT: '-1' }, 'OTLP_BODY_LIMIT is "-1"'],
    [{ DATABASE_URL: 'postgres://x@127.0.0.1:1/x', ENGINE_METRICS: 'a=//me:hush@x' }, 'ENGINE_METRICS, "a": a URL'],
  ])('%j ends with a sentence', async (env, sentence) => {
    const collector = Collector.launch({ DATA_DIR: join(folder, 'wrong'), ...env } as Record<string, string>);
    running.push(collector);
    expect(await collector.ended()).toBe(1);
    expect(collector.output).toContain(sentence);
    expect(collector.output).not.toContain('hush');
    expect(collector.output).not.toContain('    at ');
  });

  it('a taken port ends with a sentence, PostgreSQL away or not', async () => {
    const env = { DATABASE_URL: 'postgres://x@127.0.0.1:1/x', DATA_DIR: join(folder, 'taken') };
    const first = await Collector.start(env);
    running.push(first);
    const port = new URL(first.otlp).port;
    const second = Collector.launch({ ...env, DATA_DIR: join(folder, 'taken-2'), OTLP_PORT: port });
    running.push(second);
    expect(await second.ended()).toBe(1);
    expect(second.output).toContain(`Port ${port} on 127.0.0.1 is taken`);
    expect(second.output).toContain('OTLP_PORT');
  });
});
