import { until } from '@vigil/testing';
import type OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { delta, DONE, FakeUpstream, refuse, send, SSE, TOKENS, usageEvent } from '../testing/fake-upstream.js';
import { Receiver } from '../testing/receiver.js';
import { ask, MODEL, TestRuntime } from '../testing/runtime.js';

let first: FakeUpstream;
let second: FakeUpstream;
let runtime: TestRuntime;
beforeAll(async () => {
  [first, second] = [await FakeUpstream.start(), await FakeUpstream.start()];
  runtime = await TestRuntime.start({
    ENGINE: 'upstream',
    UPSTREAMS: `first=${first.url};key=FIRST_KEY second=${second.url};tier=2;model=r1`,
    FIRST_KEY: 'very-secret-key',
    UPSTREAM_STALL: '20s',
  });
});
afterAll(async () => {
  await runtime.stop();
  await Promise.all([first.stop(), second.stop()]);
});
afterEach(() => {
  for (const upstream of [first, second]) {
    expect(upstream.next).toEqual([]);
    upstream.seen.length = 0;
  }
});

const request = { ...ask('What is it?'), model: 'r1', temperature: 0.6, max_tokens: 100, stop: ['Ω'] };
const spanOf = (id: string) =>
  until('the span', () => runtime.receiver.spans.find(({ attributes }) => attributes['gen_ai.conversation.id'] === id));
const partsOf = (spanId: string) => runtime.receiver.parts.filter(({ parentSpanId }) => parentSpanId === spanId);
let conversations = 0;
const converse = () => `c${++conversations}`;
const post = (body: Record<string, unknown>, id = converse()) =>
  runtime.post({ ...request, ...body }, { headers: { 'x-conversation-id': id } });

describe('a stream', () => {
  it('comes through as it is, told from reasoning by the official client', async () => {
    const id = converse();
    const events = await runtime.openai.chat.completions.create(
      { ...(request as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming), stream: true },
      { headers: { 'x-conversation-id': id, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } },
    );
    let [reasoning, content, finish] = ['', '', ''];
    for await (const { choices, usage } of events) {
      expect(usage ?? null).toBeNull();
      const said = choices[0]!.delta as { content?: string; reasoning_content?: string };
      reasoning += said.reasoning_content ?? '';
      content += said.content ?? '';
      finish = choices[0]!.finish_reason ?? finish;
    }
    expect([reasoning, content, finish]).toEqual(['Let me think: 思考.', 'It is 42 🐳', 'stop']);

    const [seen] = first.seen;
    expect(seen).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer very-secret-key', 'accept-encoding': 'identity' },
      body: { ...request, stream: true, stream_options: { include_usage: true } },
    });
    const span = await spanOf(id);
    expect(seen!.headers.traceparent).toBe(`00-${span.traceId}-${span.spanId}-01`);
    expect(span).toMatchObject({
      name: 'chat r1',
      kind: 2,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      statusCode: 0,
    });
    expect(span.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'vllm',
      'gen_ai.request.model': 'r1',
      'gen_ai.request.temperature': 0.6,
      'gen_ai.request.max_tokens': 100,
      'gen_ai.request.stop_sequences': ['Ω'],
      'gen_ai.request.stream': true,
      'gen_ai.response.id': 'chatcmpl-up-1',
      'gen_ai.response.model': 'r1-up',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 5,
      // Two of four events, of five tokens.
      'gen_ai.usage.reasoning.output_tokens': 3,
      'vigil.reasoning.closed': true,
      'vigil.upstream.name': 'first',
      'vigil.upstream.attempts': 1,
      'http.response.status_code': 200,
    });
    expect(span.attributes).not.toHaveProperty(['vigil.usage.counted']);
    expect(span.attributes).not.toHaveProperty(['error.type']);
    expect(JSON.parse(span.attributes['gen_ai.output.messages'] as string)).toMatchObject([
      {
        parts: [
          { type: 'reasoning', content: 'Let me think: 思考.' },
          { type: 'text', content: 'It is 42 🐳' },
        ],
      },
    ]);
    const parts = partsOf(span.spanId);
    expect(parts.map(({ name }) => name)).toEqual(['queue', 'prefill', 'decode']);
    const [queue, prefill, decode] = parts.map(({ duration }) => duration);
    // Within half a second: what a busy machine puts between them is its own business.
    expect(span.attributes['gen_ai.response.time_to_first_chunk']).toBeCloseTo(queue! + prefill!, 0);
    expect(queue! + prefill! + decode!).toBeCloseTo(span.duration, 0);
    expect(
      await runtime.metric('vigil_upstream_time_to_first_token_seconds_count{service="runtime",upstream="first"}'),
    ).toBe(1);
    expect(await runtime.metric('vigil_upstream_inter_token_seconds_count{service="runtime",upstream="first"}')).toBe(
      3,
    );
  });

  it('is passed on byte by byte, usage shown to who asked for it', async () => {
    const answer = await post({ stream: true, stream_options: { include_usage: true } });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(await answer.text()).toBe([...TOKENS, usageEvent(7, 5), DONE].join(''));
    expect(await (await post({ stream: true })).text()).toBe([...TOKENS, DONE].join(''));
  });

  it('is not held back: each token is there before the next is made', async () => {
    let go: (() => void) | undefined;
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      for (const text of TOKENS) {
        const read = new Promise<void>((done) => (go = done));
        response.write(text);
        await read;
      }
      response.end(DONE);
    });
    const answer = await post({ stream: true });
    let got = '';
    let seen = 0;
    for await (const bytes of answer.body!) {
      got += Buffer.from(bytes).toString();
      while (seen < TOKENS.length && got.length >= TOKENS.slice(0, seen + 1).join('').length) {
        seen++;
        go!();
      }
    }
    expect(got).toBe([...TOKENS, DONE].join(''));
  });

  it('that says nothing of usage is counted by its events', async () => {
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      for (const text of ['<think>', 'a', 'b', '</think>', 'c', 'd']) await send(response, delta({ content: text }));
      response.end(delta({}, 'length') + DONE);
    });
    const id = converse();
    await (await post({ stream: true }, id)).text();
    expect((await spanOf(id)).attributes).toMatchObject({
      'gen_ai.usage.output_tokens': 6,
      'gen_ai.usage.reasoning.output_tokens': 4,
      'gen_ai.response.finish_reasons': ['length'],
      'vigil.usage.counted': true,
    });
  });

  it('that ends without [DONE] is given one, and signs of life before it come through', async () => {
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, ': keep-alive\n\n');
      response.end(TOKENS.join(''));
    });
    expect(await (await post({ stream: true })).text()).toBe([': keep-alive\n\n', ...TOKENS, DONE].join(''));
  });
});

describe('an answer that does not stream', () => {
  it('comes as the upstream wrote it, and is timed and counted', async () => {
    const id = converse();
    const completion = (await runtime.openai.chat.completions.create(
      request as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming,
      { headers: { 'x-conversation-id': id } },
    )) as OpenAI.ChatCompletion;
    expect(completion.choices[0]!.message).toMatchObject({ content: 'It is 42.', reasoning_content: 'Let me think.' });
    const span = await spanOf(id);
    expect(span.attributes).toMatchObject({
      'gen_ai.request.stream': false,
      'gen_ai.response.id': 'chatcmpl-up-2',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 8,
      'gen_ai.usage.reasoning.output_tokens': 5,
    });
    expect(span.attributes).not.toHaveProperty(['gen_ai.response.time_to_first_chunk']);
    expect(partsOf(span.spanId).map(({ name }) => name)).toEqual(['queue', 'prefill']);
  });

  it('to a bare prompt is one of /v1/completions', async () => {
    first.next.push((response, { path, body }) => {
      expect([path, body.prompt]).toEqual(['/v1/completions', 'Once']);
      response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          id: 'cmpl-1',
          object: 'text_completion',
          choices: [{ index: 0, text: ' upon', finish_reason: 'length' }],
        }),
      );
    });
    const answer = await runtime.openai.completions.create({ model: 'r1', prompt: 'Once' });
    expect(answer.choices[0]!.text).toBe(' upon');
    const span = await until('the span', () => runtime.receiver.byResponse('cmpl-1'));
    expect(span.name).toBe('text_completion r1');
    expect(span.attributes['gen_ai.operation.name']).toBe('text_completion');
  });
});

describe('models', () => {
  it('are those of all upstreams', async () => {
    expect((await runtime.openai.models.list()).data).toEqual([
      { id: 'r1', object: 'model', created: 1_700_000_000, owned_by: 'vigil' },
    ]);
    await expect(runtime.openai.models.retrieve('deepseek-ai/none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('that only one upstream may have are asked there', async () => {
    first.next.push(refuse(404, { error: { message: 'The model `x/y` does not exist.', code: 'model_not_found' } }));
    const answer = await post({ model: 'x/y' });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({
      error: {
        message: 'The model `x/y` does not exist.',
        type: 'invalid_request_error',
        param: null,
        code: 'model_not_found',
      },
    });
    expect(second.seen).toEqual([]);
  });

  it('have one name where it is given, each upstream its own', async () => {
    const named = await TestRuntime.start({
      ENGINE: 'upstream',
      UPSTREAMS: `a=${first.url};model=own/name;kind=sglang`,
      MODEL_NAME: 'deepseek-r1',
    });
    expect((await named.openai.models.retrieve('deepseek-r1')).id).toBe('deepseek-r1');
    expect((await named.post({ ...request, model: 'r1' })).status).toBe(404);
    expect((await named.post({ ...request, model: 'deepseek-r1' })).status).toBe(200);
    expect(first.seen.map(({ body }) => body.model)).toEqual(['own/name']);
    await named.stop();
  });
});

describe('a client’s mistake', () => {
  it.each<[string, unknown, number, string]>([
    ['no JSON', '{', 400, 'invalid_request'],
    ['a list', '[]', 400, 'invalid_request'],
    ['no messages', { model: 'r1' }, 400, 'invalid_request'],
    ['no model', { messages: [{}] }, 400, 'invalid_request'],
    ['stream: 1', { ...request, stream: 1 }, 400, 'invalid_request'],
  ])('that can be seen here is not passed on: %s', async (_, body, status, code) => {
    const answer = await runtime.post(body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error', code } });
    expect(first.seen).toEqual([]);
  });

  it('that the upstream sees passes with its status, and is no failure of the upstream’s', async () => {
    const id = converse();
    for (let i = 0; i < 7; i++)
      first.next.push(refuse(400, { error: { message: 'max_tokens is too large', param: 'max_tokens', code: 400 } }));
    const answer = await post({ stream: true }, id);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({
      error: {
        message: 'max_tokens is too large',
        type: 'invalid_request_error',
        param: 'max_tokens',
        code: 'invalid_request',
      },
    });
    expect((await spanOf(id)).attributes).toMatchObject({
      'error.type': 'invalid_request',
      'http.response.status_code': 400,
    });
    for (let i = 0; i < 6; i++) await (await post({})).text();
    expect(
      await runtime.metric('vigil_upstream_circuit_state{upstream="first",state="closed",service="runtime"}'),
    ).toBe(1);
    expect(second.seen).toEqual([]);
  });
});

describe('a real runtime as upstream', () => {
  it('answers through another as it does alone', async () => {
    const inner = await TestRuntime.start();
    const outer = await TestRuntime.start({ ENGINE: 'upstream', UPSTREAMS: `inner=${inner.url}/v1;kind=llama-server` });
    const text = async (door: TestRuntime) => {
      const stream = await door.openai.chat.completions.create({
        ...(ask('Hello', { temperature: 0 }) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
        stream: true,
      });
      const said = { reasoning: '', content: '' };
      for await (const { choices } of stream) {
        const delta = choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined;
        said.reasoning += delta?.reasoning_content ?? '';
        said.content += delta?.content ?? '';
      }
      return said;
    };
    const alone = await text(inner);
    expect(alone.reasoning).toMatch(/^Okay, /);
    expect(alone.content).toMatch(/^Hello, /);
    expect(await text(outer)).toEqual(alone);
    const [innerSpan, outerSpan] = await Promise.all(
      [inner, outer].map(({ receiver }) => until('a span', () => receiver.spans.at(-1))),
    );
    for (const key of [
      'gen_ai.usage.input_tokens',
      'gen_ai.usage.output_tokens',
      'gen_ai.usage.reasoning.output_tokens',
      'vigil.reasoning.closed',
    ])
      expect(outerSpan!.attributes[key]).toBe(innerSpan!.attributes[key]);
    expect(outerSpan!.attributes['gen_ai.provider.name']).toBe('llama.cpp');
    expect((await outer.openai.models.list()).data.map(({ id }) => id)).toEqual([MODEL]);
    await outer.stop();
    await inner.stop();
  });
});

describe('a start', () => {
  it('without a word on upstreams says what is missing', async () => {
    await expect(TestRuntime.start({ ENGINE: 'upstream' })).rejects.toThrow('ENGINE=upstream needs UPSTREAMS');
  });

  it('does not wait for an upstream that is not there, and is not ready until it is', async () => {
    const placeholder = await FakeUpstream.start();
    const { port } = placeholder;
    await placeholder.stop();
    const early = await TestRuntime.start({
      ENGINE: 'upstream',
      UPSTREAMS: `late=http://127.0.0.1:${port};model=r1`,
      UPSTREAM_RETRIES: '0',
    });
    const ready = await fetch(`${early.url}/health/ready`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('\\"late\\" can not be reached')]);
    const refused = await early.post(request);
    expect(refused.status).toBe(502);
    const { error } = (await refused.json()) as { error: { message: string; code: string } };
    expect(error).toMatchObject({
      code: 'upstream_unreachable',
      message: 'The upstream "late" can not be reached (ECONNREFUSED).',
    });
    const late = await FakeUpstream.start(port);
    expect((await early.post(request)).status).toBe(200);
    expect((await fetch(`${early.url}/health/ready`)).status).toBe(200);
    await early.stop();
    await late.stop();
  });
});

describe('telemetry', () => {
  it('that is away costs an answer nothing', async () => {
    const gone = await Receiver.start();
    const deaf = await TestRuntime.start({
      ENGINE: 'upstream',
      UPSTREAMS: `a=${first.url}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: gone.url,
    });
    await gone.stop();
    expect(await (await deaf.post({ ...request, stream: true })).text()).toContain('[DONE]');
    await deaf.stop();
  });
});
