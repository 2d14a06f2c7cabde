import type { RequestRow } from '@vigil/store';
import { describe, expect, it } from 'vitest';
import { scoreSpan } from '../score/score.js';
import { chatSpan, jsonBody, toOtlp, type Plain, type TestSpan } from '../testing.js';
import { operationOf, requestsAmong, toRequest } from './genai.js';
import { decodeJson } from './json.js';
import { LabelBounds, type RequestLabels } from './labels.js';
import { endingOf } from './outcome.js';
import { Recent } from './recent.js';
import type { Span } from './span.js';

const decode = (spans: readonly TestSpan[], resource?: Record<string, Plain>): Span[] =>
  decodeJson(jsonBody(toOtlp(spans, resource)));
const flatten = (span: Span): RequestRow =>
  toRequest(span, operationOf(span) ?? 'none', { labels: (labels) => labels, score: scoreSpan });
/** The row of a span with these attributes alone. */
const row = (attributes: Record<string, Plain>, change: TestSpan = {}, resource?: Record<string, Plain>): RequestRow =>
  flatten(decode([{ ...chatSpan(change), attributes }], resource)[0]!);
/** The row of a good chat with some attributes changed. */
const chat = (attributes: Record<string, Plain>, change: TestSpan = {}): RequestRow =>
  flatten(decode([chatSpan(change, attributes)])[0]!);

describe('names', () => {
  it('of OpenLLMetry', () => {
    expect(
      row({
        'gen_ai.system': 'OpenAI',
        'llm.request.type': 'completion',
        'gen_ai.request.model': 'r1',
        'gen_ai.usage.prompt_tokens': 7,
        'gen_ai.usage.completion_tokens': 20,
        'gen_ai.usage.reasoning_tokens': 5,
        'llm.is_streaming': false,
        'gen_ai.completion.0.finish_reason': 'length',
        'gen_ai.completion.0.content': '<think>one two three four</think>',
        'traceloop.association.properties.session_id': 's1',
      }),
    ).toMatchObject({
      engine: 'OpenAI',
      operation: 'text_completion',
      model: 'r1',
      inputTokens: 7,
      outputTokens: 20,
      reasoningTokens: 5,
      stream: false,
      responseLatency: 2,
      finishReason: 'length',
      truncated: true,
      emptyAnswer: true,
      unclosedReasoning: false,
      reasoningRepetition: 0,
      reasoningShare: 0.25,
      conversationId: 's1',
    });
  });

  it('of OpenInference', () => {
    expect(
      row({
        'openinference.span.kind': 'LLM',
        'llm.model_name': 'r1',
        'llm.provider': 'deepseek',
        'llm.token_count.prompt': 7,
        'llm.token_count.completion': 20,
        'llm.token_count.completion_details.reasoning': 20,
        'session.id': 's1',
        'input.value': 'not looked at',
        'output.value': 'four words and more',
      }),
    ).toMatchObject({
      engine: 'deepseek',
      operation: 'chat',
      model: 'r1',
      inputTokens: 7,
      outputTokens: 20,
      reasoningTokens: 20,
      conversationId: 's1',
      repetition: 0,
      emptyAnswer: false,
      stream: null,
      responseLatency: 2,
    });
  });

  it("of vLLM's own spans", () => {
    expect(
      row({
        'gen_ai.response.model': 'deepseek-ai/DeepSeek-R1',
        'gen_ai.request.id': 'cmpl-1',
        'gen_ai.usage.prompt_tokens': 7,
        'gen_ai.usage.completion_tokens': 11,
        'gen_ai.latency.e2e': 1.5,
        'gen_ai.latency.time_to_first_token': 0.5,
        'gen_ai.latency.time_in_queue': 0.1,
      }),
    ).toMatchObject({
      engine: 'vllm',
      model: 'deepseek-ai/DeepSeek-R1',
      duration: 1.5,
      timeToFirstToken: 0.5,
      responseLatency: 0.5,
      timePerOutputToken: 0.1,
      queueDuration: 0.1,
    });
  });

  it('prefer the present one, and pass over empty ones', () => {
    expect(chat({ 'gen_ai.system': 'old', 'gen_ai.usage.prompt_tokens': 1 })).toMatchObject({
      engine: 'llama.cpp',
      inputTokens: 10,
    });
    expect(chat({ 'gen_ai.provider.name': '', 'gen_ai.system': 'old' }).engine).toBe('old');
  });

  it('of the node and the endpoint', () => {
    expect(row({}, {}, { 'service.instance.id': 'pod-7' })).toMatchObject({ node: 'pod-7', endpoint: 'unknown' });
    expect(row({}, {}, {}).node).toBe('unknown');
    expect(chat({ 'server.address': '::1' }).endpoint).toBe('[::1]:8000');
    expect(row({ 'server.address': 'api.example.org' }).endpoint).toBe('api.example.org');
    expect(chat({ 'gen_ai.request.model': 'm'.repeat(5000) }).model).toHaveLength(200);
  });

  it('of finish reasons as a list, as JSON and as text', () => {
    for (const finish of [['length', 'stop'], '["length"]', 'length'])
      expect(chat({ 'gen_ai.response.finish_reasons': finish }).finishReason).toBe('length');
    expect(chat({ 'gen_ai.response.finish_reasons': '[broken' }).finishReason).toBeNull();
    expect(chat({ 'gen_ai.response.finish_reasons': [] }).finishReason).toBeNull();
  });
});

describe('which spans are requests', () => {
  it.each<[Record<string, Plain>, string | null]>([
    [{ 'gen_ai.operation.name': 'chat' }, 'chat'],
    [{ 'gen_ai.operation.name': 'text_completion' }, 'text_completion'],
    [{ 'gen_ai.operation.name': 'generate_content' }, 'generate_content'],
    [{ 'gen_ai.request.model': 'm' }, 'chat'],
    [{ 'gen_ai.usage.prompt_tokens': 0 }, 'chat'],
    [{ 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': 'm' }, null],
    [{ 'gen_ai.operation.name': 'execute_tool' }, null],
    [{ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.request.model': 'm' }, null],
    [{ 'gen_ai.system': 'openai' }, null],
    [{ 'openinference.span.kind': 'CHAIN', 'llm.model_name': 'm' }, null],
    [{ 'openinference.span.kind': 'llm', 'llm.model_name': 'm' }, 'chat'],
    [{ 'traceloop.span.kind': 'workflow', 'gen_ai.request.model': 'm' }, null],
    [{ 'http.response.status_code': 200 }, null],
    [{}, null],
  ])('%j', (attributes, operation) => {
    expect(operationOf(decode([{ ...chatSpan(), attributes }])[0]!)).toBe(operation);
  });

  it("counts a call once where the client's and the server's span come together", () => {
    const traceId = 'c'.repeat(32);
    const gateway = chatSpan({ traceId, kind: 2 });
    const below = chatSpan({ traceId, kind: 3, parentSpanId: gateway.spanId });
    const above = chatSpan({ traceId, kind: 3, spanId: 'd'.repeat(16) });
    const served = chatSpan({ traceId, kind: 2, parentSpanId: 'd'.repeat(16) });
    const alone = chatSpan({ kind: 3, parentSpanId: gateway.spanId });
    const counted = requestsAmong(decode([gateway, below, above, served, alone])).map(({ span }) => span.spanId);
    expect(counted).toEqual([gateway.spanId, served.spanId, alone.spanId]);
  });
});

describe('what became of a request', () => {
  it.each([
    [200, null, 0, 'ok', 200, null],
    [null, null, 0, 'ok', null, null],
    [200, null, 2, 'error', 200, '_OTHER'],
    [200, 'engine_died', 2, 'error', 200, 'engine_died'],
    [500, null, 0, 'error', 500, '500'],
    [503, 'engine_died', 2, 'error', 503, 'engine_died'],
    [429, 'queue_full', 0, 'error', 429, 'queue_full'],
    [400, 'invalid_request', 2, 'rejection', 400, 'invalid_request'],
    [404, 'model_not_found', 0, 'rejection', 404, 'model_not_found'],
    [422, null, 0, 'rejection', 422, '422'],
    [499, null, 0, 'cancellation', 499, '499'],
    [200, 'client_disconnected', 2, 'cancellation', 200, 'client_disconnected'],
    [null, 'client_disconnected', 0, 'cancellation', null, 'client_disconnected'],
    [null, 'timeout', 0, 'error', null, 'timeout'],
    [null, 'process_killed', 0, 'error', null, 'process_killed'],
    [null, 'invalid_request', 2, 'rejection', null, 'invalid_request'],
    [null, '404', 0, 'rejection', 404, '404'],
    [null, '502', 0, 'error', 502, '502'],
    [null, null, 2, 'error', null, '_OTHER'],
  ])('status %s, error type %s, span status %i: %s', (status, type, spanStatus, outcome, statusCode, errorType) => {
    expect(endingOf(status, type, spanStatus)).toEqual({ outcome, statusCode, errorType });
  });

  it.each<[string, Record<string, Plain>, number | null]>([
    ['a stream: its first token', {}, 0.25],
    ['no stream: the whole', { 'gen_ai.request.stream': false }, 2],
    ['a stream whose first token is not known: nothing', { 'gen_ai.response.time_to_first_chunk': 'x' }, null],
    ['a first token after the end: nothing', { 'gen_ai.response.time_to_first_chunk': 3 }, null],
    ['a failure: nothing', { 'http.response.status_code': 503 }, null],
    ['a mistake: nothing', { 'http.response.status_code': 400 }, null],
    ['cancelled after the first token', { 'error.type': 'client_disconnected' }, 0.25],
    ['cancelled before', { 'error.type': 'client_disconnected', 'gen_ai.response.time_to_first_chunk': 'none' }, null],
    ['cancelled, no stream', { 'error.type': 'client_disconnected', 'gen_ai.request.stream': false }, null],
  ])('latency of %s', (_, attributes, expected) => {
    expect(chat(attributes).responseLatency).toBe(expected);
  });

  it('has scores only when it went well', () => {
    const failed = chat({ 'http.response.status_code': 500, 'gen_ai.completion.0.content': 'half an' });
    expect(failed).toMatchObject({ emptyAnswer: null, truncated: null, reasoningShare: null, unclosedReasoning: null });
    expect(chat({})).toMatchObject({ emptyAnswer: null, truncated: false, reasoningShare: 0.25 });
  });

  it('has no time per token of one token, and no counts that are none', () => {
    expect(chat({ 'gen_ai.usage.output_tokens': 1 }).timePerOutputToken).toBeNull();
    for (const bad of [-1, 1.5, 2 ** 31, 'many'])
      expect(chat({ 'gen_ai.usage.output_tokens': bad }).outputTokens).toBeNull();
    expect(chat({ 'gen_ai.usage.output_tokens': '12' }).outputTokens).toBe(12);
    for (const bad of [-1, 1e9]) expect(chat({ 'gen_ai.latency.e2e': bad }).duration).toBe(2);
  });
});

describe('LabelBounds', () => {
  const labels = (change: Partial<RequestLabels>): RequestLabels => ({
    node: 'n',
    engine: 'e',
    model: 'm',
    endpoint: 'p',
    operation: 'chat',
    ...change,
  });

  it('lets so many models pass, and the rest are "other"', () => {
    const bounds = new LabelBounds(2);
    const models = ['a', 'b', 'c', 'unknown', 'a'].map((model) => bounds.admit(labels({ model }), false).model);
    expect(models).toEqual(['a', 'b', 'other', 'unknown', 'a']);
  });

  it('takes no model from a request that was refused, unless it is known', () => {
    const bounds = new LabelBounds(1);
    expect(bounds.admit(labels({ model: 'typo' }), true).model).toBe('unknown');
    expect(bounds.admit(labels({ model: 'm' }), false).model).toBe('m');
    expect(bounds.admit(labels({ model: 'm' }), true).model).toBe('m');
  });

  it('bounds the combinations', () => {
    const bounds = new LabelBounds(100);
    const sets = new Set<string>();
    for (let i = 0; i < 5000; i++)
      sets.add(
        JSON.stringify(
          bounds.admit(
            labels({ node: `n${i % 700}`, endpoint: `p${i}`, engine: `e${i % 90}`, model: `m${i % 3}` }),
            false,
          ),
        ),
      );
    expect(sets.size).toBeLessThan(1200);
  });
});

describe('Recent', () => {
  it('knows a name again until it is old or released', () => {
    const recent = new Recent(2);
    expect([recent.claim('a'), recent.claim('a'), recent.claim('b')]).toEqual([true, false, true]);
    recent.release('b');
    expect(recent.claim('b')).toBe(true);
    recent.claim('c');
    expect([recent.claim('c'), recent.claim('a')]).toEqual([false, true]);
  });
});
