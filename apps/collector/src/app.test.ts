import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createLogger, readConfig, type App } from '@vigil/service';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from './app.js';
import { configSchema } from './config.js';
import {
  chatSpan,
  JSON_HEADERS,
  jsonBody,
  messages,
  post,
  protobufBody,
  PROTOBUF_HEADERS,
  readProtobuf,
  seriesOf,
  toOtlp,
  type TestSpan,
} from './testing.js';

const LIMIT = 256 * 1024;

let database: TestDatabase;
let folder: string;
let app: App;
let otlp: string;
let metricsUrl: string;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'vigil-collector-'));
  const config = readConfig(configSchema, {
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    OTLP_PORT: '0',
    COLLECTOR_PORT: '0',
    OTLP_BODY_LIMIT: String(LIMIT),
    MODEL_LABELS_MAX: '5',
    GPU_SOURCE: 'replay',
    GPU_INTERVAL: '500ms',
    NODE_NAME: 'gpu-node',
  });
  app = createApp(config, createLogger('test', 'fatal'));
  ({ otlp, metrics: metricsUrl } = (await app.start()) as { otlp: string; metrics: string });
});
afterAll(async () => {
  await app.stop();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const rowsOf = (spans: readonly TestSpan[]) =>
  database.query('SELECT * FROM request WHERE span_id = ANY($1) ORDER BY span_id', [spans.map((s) => s.spanId)]);
const metrics = async () => (await fetch(`${metricsUrl}/metrics`)).text();
const sendJson = (spans: readonly TestSpan[]) => post(otlp, jsonBody(toOtlp(spans)), JSON_HEADERS);
const requests = (text: string, model: string, outcome = 'ok') =>
  seriesOf(text, 'vigil_requests_total', { gen_ai_request_model: model, outcome }) ?? 0;

describe('an export', () => {
  it('gives the same row in protobuf and in JSON', async () => {
    const attributes = messages('I think about it', 'Here is the whole answer to it');
    const one = chatSpan({ spanId: '00000000000000a1' }, { ...attributes, 'gen_ai.conversation.id': 'c1' });
    const two = { ...one, spanId: '00000000000000a2' };
    const first = await post(otlp, protobufBody(toOtlp([one])), PROTOBUF_HEADERS);
    expect(first.status).toBe(200);
    expect(first.headers.get('content-type')).toBe('application/x-protobuf');
    expect((await first.arrayBuffer()).byteLength).toBe(0);
    const second = await post(otlp, jsonBody(toOtlp([two])), JSON_HEADERS);
    expect(second.status).toBe(200);
    expect(second.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await second.json()).toEqual({});
    const [a, b] = await rowsOf([one, two]);
    expect({ ...a, span_id: '' }).toEqual({ ...b, span_id: '' });
    expect(a).toMatchObject({
      trace_id: one.traceId,
      started_at: new Date(one.start!),
      ended_at: new Date(one.end!),
      node: 'node-1',
      engine: 'llama.cpp',
      model: 'm',
      endpoint: '127.0.0.1:8000',
      operation: 'chat',
      conversation_id: 'c1',
      service: 'test',
      stream: true,
      outcome: 'ok',
      status_code: 200,
      error_type: null,
      finish_reason: 'stop',
      duration: 2,
      response_latency: 0.25,
      time_to_first_token: 0.25,
      time_per_output_token: 0.05,
      input_tokens: 10,
      output_tokens: 36,
      reasoning_tokens: 9,
      unclosed_reasoning: false,
      empty_answer: false,
      truncated: false,
      repetition: 0,
      reasoning_repetition: 0,
      reasoning_share: 0.25,
    });
  });

  it('may be compressed, and may say so in any case and that it is not', async () => {
    for (const [encoding, body] of [
      ['gzip', gzipSync],
      ['GZIP', gzipSync],
      ['identity', (b: Buffer) => b],
    ] as const) {
      const span = chatSpan();
      const headers = { ...PROTOBUF_HEADERS, 'content-encoding': encoding };
      expect((await post(otlp, body(protobufBody(toOtlp([span]))), headers)).status).toBe(200);
      expect(await rowsOf([span])).toHaveLength(1);
    }
  });

  it('may have parameters in its type, and may be empty', async () => {
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
    const span = chatSpan();
    expect((await post(otlp, jsonBody(toOtlp([span])), headers)).status).toBe(200);
    expect(await rowsOf([span])).toHaveLength(1);
    expect((await post(otlp, Buffer.alloc(0), PROTOBUF_HEADERS)).status).toBe(200);
    expect((await post(otlp, Buffer.from('{}'), JSON_HEADERS)).status).toBe(200);
  });

  it('sent twice, and at once, is stored and counted once', async () => {
    const spans = Array.from({ length: 5 }, () => chatSpan({}, { 'gen_ai.request.model': 'twice' }));
    const body = protobufBody(toOtlp([...spans, spans[0]!]));
    const before = await metrics();
    const answers = await Promise.all([1, 2, 3].map(() => post(otlp, body, PROTOBUF_HEADERS)));
    answers.push(await post(otlp, body, PROTOBUF_HEADERS));
    expect(answers.map((a) => a.status)).toEqual([200, 200, 200, 200]);
    expect(await rowsOf(spans)).toHaveLength(5);
    const rollup = await database.query(`SELECT sum(requests)::int AS n FROM request_minute WHERE model = 'twice'`);
    expect(rollup).toEqual([{ n: 5 }]);
    const after = await metrics();
    expect(requests(after, 'twice')).toBe(5);
    expect(seriesOf(after, 'gen_ai_server_request_duration_seconds_count', { gen_ai_request_model: 'twice' })).toBe(5);
    const result = (text: string, result: string) => seriesOf(text, 'vigil_otlp_spans_total', { result })!;
    expect(result(after, 'accepted') - result(before, 'accepted')).toBe(5);
    expect(result(after, 'duplicate') - result(before, 'duplicate')).toBe(19);
  });

  it('of which a part is bad is taken in part, and says so', async () => {
    const good = chatSpan();
    const day = 86_400_000;
    const bad = [
      chatSpan({ traceId: '0'.repeat(32) }),
      chatSpan({ spanId: 'abc' }),
      chatSpan({ start: Date.now(), end: Date.now() - 1000 }),
      chatSpan({ end: Date.now() + 2 * 3_600_000 }),
      chatSpan({ end: Date.now() - 31 * day }),
    ];
    const json = await post(otlp, jsonBody(toOtlp([...bad, good])), JSON_HEADERS);
    expect(json.status).toBe(200);
    expect(await json.json()).toEqual({
      partialSuccess: {
        rejectedSpans: '5',
        errorMessage:
          '5 spans were refused: 1 with a bad trace id, 1 with a bad span id, 1 with an end before its start, 1 with an end in the future, 1 with a time older than the retention.',
      },
    });
    const binary = await post(otlp, protobufBody(toOtlp([bad[0]!, good])), PROTOBUF_HEADERS);
    expect(readProtobuf('ExportTraceServiceResponse', new Uint8Array(await binary.arrayBuffer()))).toEqual({
      partialSuccess: { rejectedSpans: 1, errorMessage: '1 span was refused: 1 with a bad trace id.' },
    });
    expect(await rowsOf([good, ...bad])).toHaveLength(1);
  });

  it('of spans that are no requests is taken and not counted', async () => {
    const before = await metrics();
    const spans = [
      { ...chatSpan(), attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200 } },
      chatSpan({}, { 'gen_ai.operation.name': 'embeddings' }),
      chatSpan({}, { 'gen_ai.operation.name': 'execute_tool' }),
      chatSpan({}, { 'gen_ai.operation.name': 'invoke_agent' }),
    ];
    const answer = await sendJson(spans);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({});
    expect(await rowsOf(spans)).toEqual([]);
    const ignored = (text: string) => seriesOf(text, 'vigil_otlp_spans_total', { result: 'ignored' })!;
    expect(ignored(await metrics()) - ignored(before)).toBe(4);
  });
});

describe('bad input', () => {
  const garbage = Buffer.from('\x0a\xff\xff\xff\xff\x0fnot a message', 'latin1');
  const large = Buffer.alloc(LIMIT + 1, 0x20);

  it.each<[string, Buffer, Record<string, string>, number]>([
    ['garbage as protobuf', garbage, PROTOBUF_HEADERS, 400],
    ['garbage as JSON', garbage, JSON_HEADERS, 400],
    ['JSON that is no export', Buffer.from('[1,2]'), JSON_HEADERS, 400],
    ['a list where none belongs', Buffer.from('{"resourceSpans":{"a":1}}'), JSON_HEADERS, 400],
    ['no JSON at all', Buffer.alloc(0), JSON_HEADERS, 400],
    ['what is not gzip', garbage, { ...JSON_HEADERS, 'content-encoding': 'gzip' }, 400],
    ['half a gzip', gzipSync(large).subarray(0, 50), { ...JSON_HEADERS, 'content-encoding': 'gzip' }, 400],
    ['another encoding', garbage, { ...JSON_HEADERS, 'content-encoding': 'br' }, 415],
    ['a wrong type', Buffer.from('a=1'), { 'content-type': 'text/plain' }, 415],
    ['a form', Buffer.from('a=1'), { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['a broken type', Buffer.from('a=1'), { 'content-type': ';;' }, 415],
    ['a body over the limit', large, PROTOBUF_HEADERS, 413],
    ['10 MiB over the limit', Buffer.alloc(LIMIT + 10 * 2 ** 20), JSON_HEADERS, 413],
    ['a gzip bomb', gzipSync(Buffer.alloc(64 * 2 ** 20)), { ...JSON_HEADERS, 'content-encoding': 'gzip' }, 413],
  ])('%s', async (_, body, headers, status) => {
    const code = (text: string) => seriesOf(text, 'vigil_otlp_requests_total', { code: String(status) })!;
    const before = code(await metrics());
    const answer = await post(otlp, body, headers);
    expect(answer.status).toBe(status);
    const said = new Uint8Array(await answer.arrayBuffer());
    const binary = headers['content-type'] === 'application/x-protobuf';
    expect(answer.headers.get('content-type')).toMatch(binary ? 'application/x-protobuf' : 'application/json');
    const told = (binary ? readProtobuf('RpcStatus', said) : JSON.parse(Buffer.from(said).toString())) as {
      code: number;
      message: string;
    };
    expect(told.code).toBeGreaterThan(0);
    expect(told.message).toMatch(/\w/);
    expect(code(await metrics()) - before).toBe(1);
    expect((await sendJson([chatSpan()])).status).toBe(200);
  });

  it('of a type that is missing', async () => {
    const answer = await fetch(`${otlp}/v1/traces`, { method: 'POST', body: new Uint8Array([1, 2, 3]) });
    expect(answer.status).toBe(415);
  });

  it('metrics and logs are told that they go nowhere', async () => {
    for (const path of ['metrics', 'logs']) {
      const answer = await fetch(`${otlp}/v1/${path}`, { method: 'POST', headers: JSON_HEADERS, body: '{}' });
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 12, message: expect.stringContaining('traces only') });
    }
    expect((await fetch(`${otlp}/v2/x`)).status).toBe(404);
  });
});

describe('what a client writes', () => {
  it('makes no more models than allowed, and none at all when it is refused', async () => {
    const spans = Array.from({ length: 9 }, (_, i) => chatSpan({}, { 'gen_ai.request.model': `many-${i}` }));
    const refused = chatSpan(
      {},
      {
        'gen_ai.request.model': 'a secret typed into the wrong field',
        'http.response.status_code': 404,
        'error.type': 'model_not_found',
      },
    );
    await sendJson([refused, ...spans]);
    const models = new Set((await rowsOf(spans)).map((row) => row.model as string));
    expect(models).toContain('other');
    expect(models.size).toBeLessThan(6);
    expect(await rowsOf([refused])).toMatchObject([
      {
        model: 'unknown',
        request_model: 'a secret typed into the wrong field',
        outcome: 'rejection',
        response_latency: null,
      },
    ]);
    expect(await metrics()).not.toContain('a secret');
  });

  it('is scored and not kept', async () => {
    const marker = 'XyzzyMarker';
    const loop = `${marker} says the same thing again. `.repeat(30);
    const span = chatSpan({}, { ...messages(`${marker} thinks`, loop), 'gen_ai.input.messages': marker });
    const events = [{ name: 'gen_ai.content.prompt', attributes: { 'gen_ai.prompt': marker } }];
    expect((await sendJson([{ ...span, name: marker, events }])).status).toBe(200);
    const [row] = await rowsOf([span]);
    expect(row!.repetition).toBeGreaterThan(0.9);
    expect(row!.reasoning_repetition).toBeNull();
    const tables = await database.query<{ name: string }>(
      `SELECT DISTINCT table_name AS name FROM information_schema.columns WHERE table_schema = 'public'`,
    );
    expect(tables.length).toBeGreaterThan(6);
    for (const { name } of tables)
      expect(await database.query(`SELECT 1 FROM "${name}" AS t WHERE t::text ILIKE '%${marker}%'`)).toEqual([]);
    expect(await metrics()).not.toContain(marker);
  });

  it('does not harm the database, whatever characters it has', async () => {
    const span = chatSpan({}, { 'gen_ai.conversation.id': 'a\0b\ud800c', 'gen_ai.request.model': 'x'.repeat(5000) });
    expect((await sendJson([span])).status).toBe(200);
    const [row] = await rowsOf([span]);
    expect(row!.conversation_id).toBe('ab\ufffdc');
    expect(row!.request_model).toHaveLength(200);
  });
});

describe('around it', () => {
  it('GPU samples reach the database and the metrics, marked as a replay', async () => {
    const [row] = await until('a sample', async () => {
      const rows = await database.query('SELECT * FROM gpu_sample LIMIT 1');
      return rows.length > 0 && rows;
    });
    expect(row).toMatchObject({ node: 'gpu-node', gpu: '0', replay: true, source: 'replay' });
    const text = await metrics();
    expect(seriesOf(text, 'hw_gpu_memory_limit_bytes', { node: 'gpu-node', replay: 'true' })).toBeGreaterThan(0);
    expect(seriesOf(text, 'vigil_rows_written_total', { table: 'gpu_sample' })).toBeGreaterThan(0);
  });

  it('every series of a new label set begins', async () => {
    await sendJson([chatSpan()]);
    const text = await metrics();
    for (const outcome of ['ok', 'error', 'rejection', 'cancellation'])
      expect(seriesOf(text, 'vigil_requests_total', { gen_ai_request_model: 'm', outcome })).toBeDefined();
    for (const flaw of ['unclosed_reasoning', 'empty_answer', 'truncated'])
      expect(seriesOf(text, 'vigil_answer_flaws_total', { gen_ai_request_model: 'm', flaw })).toBe(0);
    expect(seriesOf(text, 'vigil_store_up')).toBe(1);
    expect(seriesOf(text, 'vigil_spool_entries', { table: 'request' })).toBe(0);
    expect(seriesOf(text, 'vigil_spool_bytes', { table: 'gpu_sample' })).toBe(0);
  });

  it('health says that all is well', async () => {
    const answer = await fetch(`${metricsUrl}/health/ready`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok', checks: { store: { status: 'ok' } } });
  });

  it('what is at /metrics is what the roll-ups hold', async () => {
    await sendJson([
      chatSpan({}, { 'http.response.status_code': 500 }),
      chatSpan({}, { 'error.type': 'client_disconnected' }),
      chatSpan({}, { ...messages('a b c d a b c d', ''), 'vigil.reasoning.closed': false }),
      chatSpan({}, { ...messages('a', 'b'), 'gen_ai.response.finish_reasons': ['length'] }),
    ]);
    const text = await metrics();
    const total = (name: string, labels: Record<string, string> = {}) => {
      const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
      const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
      const numbers = lines.filter((l) => wanted.every((w) => l.includes(w))).map((l) => Number(l.split(' ').at(-1)));
      return numbers.reduce((a, b) => a + b, 0);
    };
    const said: Record<string, number> = {
      requests: total('vigil_requests_total'),
      errors: total('vigil_requests_total', { outcome: 'error' }),
      rejections: total('vigil_requests_total', { outcome: 'rejection' }),
      cancellations: total('vigil_requests_total', { outcome: 'cancellation' }),
      latency_sum: total('vigil_response_latency_seconds_sum'),
      latency_count: total('vigil_response_latency_seconds_count'),
      duration_sum: total('gen_ai_server_request_duration_seconds_sum', { error_type: '' }),
      duration_count: total('gen_ai_server_request_duration_seconds_count', { error_type: '' }),
      first_token_sum: total('gen_ai_server_time_to_first_token_seconds_sum'),
      first_token_count: total('gen_ai_server_time_to_first_token_seconds_count'),
      per_token_sum: total('gen_ai_server_time_per_output_token_seconds_sum'),
      per_token_count: total('gen_ai_server_time_per_output_token_seconds_count'),
      input_tokens: total('gen_ai_usage_tokens_total', { gen_ai_token_type: 'input' }),
      output_tokens: total('gen_ai_usage_tokens_total', { gen_ai_token_type: 'output' }),
      reasoning_tokens: total('gen_ai_usage_tokens_total', { gen_ai_token_type: 'reasoning' }),
      answers: total('vigil_answers_total'),
      reasonings: total('vigil_reasonings_total'),
      unclosed_reasonings: total('vigil_answer_flaws_total', { flaw: 'unclosed_reasoning' }),
      empty_answers: total('vigil_answer_flaws_total', { flaw: 'empty_answer' }),
      truncated: total('vigil_answer_flaws_total', { flaw: 'truncated' }),
      repetition_sum: total('vigil_answer_repetition_ratio_sum'),
      repetition_count: total('vigil_answer_repetition_ratio_count'),
      reasoning_share_sum: total('vigil_answer_reasoning_share_ratio_sum'),
      reasoning_share_count: total('vigil_answer_reasoning_share_ratio_count'),
    };
    const [sums] = await database.query(
      `SELECT ${Object.keys(said)
        .map((name) => `sum(${name})::float8 AS ${name}`)
        .join(', ')} FROM request_minute`,
    );
    for (const [name, value] of Object.entries(said)) {
      expect(value, name).toBeGreaterThan(0);
      expect(value, name).toBeCloseTo(sums![name] as number, 6);
    }
  });
});
