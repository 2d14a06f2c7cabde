import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { createLogger, createRegistry, Health, Lifecycle, listen } from '@vigil/service';
import type { RequestRow } from '@vigil/store';
import { until } from '@vigil/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chatSpan, post, protobufBody, PROTOBUF_HEADERS, seriesOf, toOtlp } from '../testing.js';
import { OtlpMetrics } from './otlp-metrics.js';
import { createOtlpWeb } from './otlp-web.js';
import { Receiver } from './receiver.js';
import { RequestMetrics } from './request-metrics.js';

const log = createLogger('test', 'fatal');
const registry = createRegistry('test', '0');
const lifecycle = new Lifecycle(log);

let url: string;
/** What stands in the place of PostgreSQL and the disk. */
let write: (rows: readonly RequestRow[]) => Promise<void>;

beforeAll(async () => {
  const otlp = new OtlpMetrics(registry);
  const receiver = new Receiver({
    write: (rows) => write(rows),
    requests: new RequestMetrics(registry),
    otlp,
    retention: 86_400,
    modelLabelsMax: 10,
    log,
  });
  const web = await createOtlpWeb({ receiver, log, bodyLimit: 64 * 1024 }, otlp, {
    health: new Health(),
    registry,
    lifecycle,
  });
  url = await listen(web, '127.0.0.1', 0, 'OTLP_PORT');
});
beforeEach(() => {
  write = async () => undefined;
});
afterAll(() => lifecycle.stop());

const metric = async (name: string, labels: Record<string, string>) => seriesOf(await registry.metrics(), name, labels);
const send = (body: Buffer, encoding = 'gzip') =>
  post(url, encoding === 'gzip' ? gzipSync(body) : body, { ...PROTOBUF_HEADERS, 'content-encoding': encoding });
const sendPlain = (body: Buffer) => post(url, body, PROTOBUF_HEADERS);

describe('when nothing more can be taken', () => {
  it('503 asks to come again, and what comes again is counted once', async () => {
    const body = protobufBody(toOtlp([chatSpan({}, { 'gen_ai.request.model': 'again' })]));
    write = async () => {
      throw new Error('the disk is full');
    };
    const refused = await send(body);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const counted = () => metric('vigil_requests_total', { gen_ai_request_model: 'again', outcome: 'ok' });
    expect(await counted()).toBeUndefined();
    write = async () => undefined;
    expect((await send(body)).status).toBe(200);
    expect((await send(body)).status).toBe(200);
    expect(await counted()).toBe(1);
  });

  it('exports beyond a bound at one time are asked to come again, and then taken', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((done) => (open = done));
    let waiting = 0;
    write = async () => {
      waiting += 1;
      await gate;
    };
    const one = () => send(protobufBody(toOtlp([chatSpan()])));
    const taken = Array.from({ length: 8 }, one);
    await until('all to wait', () => waiting === 8);
    const refused = await one();
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    open();
    expect((await Promise.all(taken)).map((a) => a.status)).toEqual(Array(8).fill(200));
    expect((await one()).status).toBe(200);
  });
});

describe('bodies that are still being received', () => {
  it('are bounded together: beyond, senders are asked to come again, and room that is left is room again', async () => {
    const { hostname, port } = new URL(url);
    const halves = Array.from({ length: 8 }, () => connectSocket(Number(port), hostname));
    for (const half of halves) {
      half.on('error', () => undefined);
      half.write(
        `POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 65536\r\n\r\n{`,
      );
    }
    const body = protobufBody(toOtlp([chatSpan({}, { 'gen_ai.request.model': 'late' })]));
    let refused!: Response;
    await until('a refusal', async () => (refused = await sendPlain(body)).status === 503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.text()).toContain('Too many large requests');
    expect(await (await fetch(`${url}/health/live`)).json()).toEqual({ status: 'ok' });
    for (const half of halves) half.destroy();
    await until('room', async () => (await sendPlain(body)).status === 200);
  });
});

describe('a sender that hangs up', () => {
  it('in the middle of its body harms nobody', async () => {
    const { port } = new URL(url);
    for (let i = 0; i < 20; i++) {
      const socket = connectSocket(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(
        'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{"resource',
      );
      socket.resetAndDestroy();
    }
    expect((await send(protobufBody(toOtlp([chatSpan()])))).status).toBe(200);
  });
});
