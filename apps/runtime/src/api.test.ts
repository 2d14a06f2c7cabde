import { connect } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { until } from '@vigil/testing';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, MODEL, TestRuntime } from './testing/runtime.js';

let runtime: TestRuntime;
let openai: OpenAI;
beforeAll(async () => {
  runtime = await TestRuntime.start();
  openai = runtime.openai;
});
afterAll(() => runtime.stop());

const chat = (content: string, change: Record<string, unknown> = {}) =>
  openai.chat.completions.create({
    ...(ask(content, change) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
    stream: false,
  });
const chatStream = async (content: string, change: Record<string, unknown> = {}) => {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  const events = await openai.chat.completions.create({
    ...(ask(content, change) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
    stream: true,
  });
  for await (const chunk of events) chunks.push(chunk);
  return chunks;
};
const text = (prompt: string | string[], change: Record<string, unknown> = {}) =>
  openai.completions.create({ model: MODEL, prompt, stream: false, temperature: 0, ...change });

describe('several answers', () => {
  it('come together, each of its own seed, the prompt counted once', async () => {
    const three = await chat('Hi', { n: 3, seed: 5, temperature: 1.2 });
    const alone = await Promise.all([5, 6, 7].map((seed) => chat('Hi', { seed, temperature: 1.2 })));
    expect(three.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(three.choices.map(({ message }) => message)).toEqual(alone.map(({ choices }) => choices[0]!.message));
    expect(three.usage!.prompt_tokens).toBe(alone[0]!.usage!.prompt_tokens);
    const sum = alone.reduce((total, { usage }) => total + usage!.completion_tokens, 0);
    expect(three.usage!.completion_tokens).toBe(sum);
    const span = await until('its span', () => runtime.receiver.byResponse(three.id));
    expect(span.attributes).toMatchObject({ 'gen_ai.request.choice.count': 3, 'gen_ai.request.seed': 5 });
    const messages = JSON.parse(span.attributes['gen_ai.output.messages'] as string) as { parts: object[] }[];
    expect(messages.map(({ parts }) => parts.at(-1))).toEqual(
      three.choices.map(({ message }) => ({ type: 'text', content: message.content })),
    );
    expect(span.attributes['gen_ai.response.finish_reasons']).toEqual(['stop', 'stop', 'stop']);
  });

  it('stream side by side, each told from its role to its end', async () => {
    const whole = await chat('Hi', { n: 2, seed: 5, temperature: 1.2 });
    const chunks = await chatStream('Hi', {
      n: 2,
      seed: 5,
      temperature: 1.2,
      stream_options: { include_usage: true },
    });
    for (const index of [0, 1]) {
      const own = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
      expect(own[0]!.delta.role).toBe('assistant');
      expect(own.filter(({ delta }) => delta.role !== undefined)).toHaveLength(1);
      expect(own.map(({ delta }) => delta.content ?? '').join('')).toBe(whole.choices[index]!.message.content);
      expect(own.at(-1)!.finish_reason).toBe('stop');
    }
    expect(chunks.at(-1)!.usage).toEqual(whole.usage);
  });

  it('are refused together where there is no room for all', async () => {
    const full = await TestRuntime.start({ SLOTS: '1', QUEUE_MAX: '1' });
    expect((await full.post(ask('Hi', { n: 3, max_tokens: 2 }))).status).toBe(429);
    await until('nothing to be left', async () => (await full.metric('vigil_runtime_requests_running')) === 0);
    expect((await full.post(ask('Hi', { n: 2, max_tokens: 2 }))).status).toBe(200);
    await full.stop();
  });
});

describe('probabilities', () => {
  it('belong to the tokens of the answer, not to its reasoning', async () => {
    const { choices } = await chat('Hello', { temperature: 0, logprobs: true, top_logprobs: 3 });
    const { message, logprobs } = choices[0]!;
    const entries = logprobs!.content!;
    expect(
      entries
        .map(({ token }) => token)
        .join('')
        .trim(),
    ).toBe(message.content);
    for (const { token, logprob, bytes, top_logprobs: top } of entries) {
      expect(bytes).toEqual([...Buffer.from(token)]);
      expect(top).toHaveLength(3);
      expect(top[0]).toEqual({ token, logprob, bytes });
      expect(logprob).toBeGreaterThan(-2);
    }
  });

  it('come in the stream with the text that they belong to, without what a stop text cut off', async () => {
    const chunks = await chatStream('Hello', { temperature: 0, logprobs: true, stop: ' Vigil watches' });
    const parts = chunks.map(({ choices }) => choices[0]!);
    const content = parts.map(({ delta }) => delta.content ?? '').join('');
    const told = parts.flatMap(({ logprobs }) => logprobs?.content ?? []);
    expect(told.map(({ token }) => token).join('')).toContain(content.slice(0, 40));
    expect(told.map(({ token }) => token).join('')).not.toContain('watches');
    expect(told[0]!.top_logprobs).toEqual([]);
    expect(parts[0]!.logprobs).toBeNull();
  });
});

describe('a JSON answer', () => {
  const schema = {
    type: 'object',
    properties: { ok: { type: 'boolean' }, level: { enum: ['low', 'high'] }, n: { type: 'integer' } },
    required: ['ok', 'level', 'n'],
    additionalProperties: false,
  };

  it('follows the schema, behind a reasoning that is free', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'status', strict: true, schema } };
    const { choices } = await chat('Hi', { temperature: 0, response_format: format });
    const { content, reasoning_content: reasoning } = choices[0]!.message as unknown as Record<string, string>;
    const answer = JSON.parse(content!) as Record<string, unknown>;
    expect(Object.keys(answer)).toEqual(['ok', 'level', 'n']);
    expect(['low', 'high']).toContain(answer.level);
    expect(Number.isInteger(answer.n)).toBe(true);
    expect(reasoning).toMatch(/^Okay, somebody/);
    expect(choices[0]!.finish_reason).toBe('stop');
  });

  it('is the same in a stream, and for the same seed', async () => {
    const change = { seed: 3, temperature: 1, response_format: { type: 'json_schema', json_schema: { schema } } };
    const { choices } = await chat('Hi', change);
    const chunks = await chatStream('Hi', change);
    const streamed = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(streamed).toBe(choices[0]!.message.content);
    expect(() => JSON.parse(streamed) as unknown).not.toThrow();
  });
});

describe('completions', () => {
  it('go on with a text, without R1’s template', async () => {
    const { object, choices, usage } = await text('Okay, somebody asked me something,', { max_tokens: 40 });
    expect(object).toBe('text_completion');
    expect(choices[0]!.text).toContain('and I should be honest first.');
    expect(choices[0]).toMatchObject({ index: 0, finish_reason: 'length', logprobs: null });
    expect(usage!.completion_tokens).toBe(40);
  });

  it('have 16 tokens unless told otherwise', async () => {
    expect((await text('Hello')).usage!.completion_tokens).toBe(16);
  });

  it('take several prompts, each answered n times', async () => {
    const { choices, id } = await text(['Hello', '你好'], { n: 2, max_tokens: 4, temperature: 1, seed: 1 });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    const span = await until('its span', () => runtime.receiver.byResponse(id));
    expect(span.attributes['gen_ai.operation.name']).toBe('text_completion');
    await expect(
      text(
        Array.from({ length: 5 }, () => 'x'),
        { n: 4 },
      ),
    ).rejects.toMatchObject({ status: 400, param: 'n' });
  });

  it('stream, with probabilities and their places in the text', async () => {
    const change = { max_tokens: 12, logprobs: 2, stream_options: { include_usage: true } };
    const events = await openai.completions.create({
      model: MODEL,
      prompt: 'Hello',
      temperature: 0,
      ...change,
      stream: true,
    });
    let said = '';
    const tokens: string[] = [];
    const offsets: number[] = [];
    let usage: unknown;
    for await (const { choices, ...chunk } of events) {
      said += choices[0]?.text ?? '';
      tokens.push(...(choices[0]?.logprobs?.tokens ?? []));
      offsets.push(...(choices[0]?.logprobs?.text_offset ?? []));
      usage = chunk.usage ?? usage;
    }
    expect(said).toBe((await text('Hello', { max_tokens: 12 })).choices[0]!.text);
    expect(tokens).toHaveLength(12);
    expect(offsets).toEqual(tokens.map((_, i) => tokens.slice(0, i).join('').length));
    expect(usage).toMatchObject({ completion_tokens: 12 });
  });

  it.each([
    [{ echo: true }, 'echo'],
    [{ suffix: 'x' }, 'suffix'],
    [{ best_of: 2 }, 'best_of'],
    [{ logprobs: 9 }, 'logprobs'],
    [{ prompt: [1, 2] }, 'prompt'],
    [{ prompt: [] }, 'prompt'],
  ])('refuse %j', async (change, param) => {
    await expect(text('x', change)).rejects.toMatchObject({ status: 400, param: expect.stringContaining(param) });
  });
});

describe('keys', () => {
  it('are asked for before anything but health and metrics, and bind what they may', async () => {
    const closed = await TestRuntime.start({ API_KEYS: 'the-first-key,the-second-key', API_KEY_RPM: '2' });
    const as = (key: string) => new OpenAI({ baseURL: `${closed.url}/v1`, apiKey: key, maxRetries: 0 });
    const hi = { model: MODEL, messages: [{ role: 'user' as const, content: 'Hi' }], max_tokens: 1 };
    await expect(as('wrong-key').chat.completions.create(hi)).rejects.toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    await expect(as('wrong-key').models.list()).rejects.toMatchObject({ status: 401 });
    expect((await as('the-first-key').models.list()).data).toHaveLength(1);
    for (let i = 0; i < 2; i++) await as('the-first-key').chat.completions.create(hi);
    await expect(as('the-first-key').chat.completions.create(hi)).rejects.toMatchObject({ status: 429 });
    await as('the-second-key').chat.completions.create(hi);
    expect(await closed.metric('vigil_runtime_slots')).toBe(4);
    const refused = await until('the span of the refused one', () =>
      closed.receiver.spans.find(({ attributes }) => attributes['error.type'] === 'invalid_api_key'),
    );
    expect(JSON.stringify([refused, await (await fetch(`${closed.url}/metrics`)).text()])).not.toMatch(/-key\b/);
    await closed.stop();
  });

  it('are asked for however the address is written', async () => {
    const closed = await TestRuntime.start({ API_KEYS: 'the-first-key' });
    const { port } = new URL(closed.url);
    const status = async (method: string, path: string) => {
      const socket = connect(Number(port), '127.0.0.1');
      const body = method === 'POST' ? JSON.stringify(ask('Hi', { max_tokens: 1 })) : '';
      socket.end(
        `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      return (await readAll(socket)).split(' ')[1];
    };
    for (const path of [
      '/v1/chat/completions',
      '/%761/chat/completions',
      '/v1/chat/completions/',
      'http://x/v1/completions',
    ])
      expect(await status('POST', path), path).toBe('401');
    for (const path of ['/v1/models', '/v%31/models', 'http://x/v1/models', `/%761/models/${MODEL}`])
      expect(await status('GET', path), path).toBe('401');
    for (const path of ['/metrics', '/health/live', '/health/ready']) expect(await status('GET', path)).toBe('200');
    await closed.stop();
  });
});

describe('pages of a browser', () => {
  const from = (runtime: TestRuntime, origin: string, init: RequestInit = {}) =>
    fetch(`${runtime.url}/v1/chat/completions`, { ...init, headers: { ...init.headers, origin } });
  const allowed = (response: Response) => response.headers.get('access-control-allow-origin');
  const post = (change = {}): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ask('Hi', { max_tokens: 1, ...change })),
  });
  const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } };

  it('may not ask unless they are named', async () => {
    expect(allowed(await from(runtime, 'https://chat.example.com', post()))).toBeNull();
    const asked = await from(runtime, 'https://chat.example.com', preflight);
    expect([asked.status, allowed(asked)]).toEqual([404, null]);
  });

  it('may ask where they are named, streams and errors too, and keys are asked for still', async () => {
    const page = 'https://chat.example.com';
    const open = await TestRuntime.start({ CORS_ORIGINS: `http://localhost:3000, ${page}`, API_KEYS: 'the-first-key' });
    const asked = await from(open, page, preflight);
    expect([asked.status, allowed(asked)]).toEqual([204, page]);
    expect(allowed(await from(open, 'https://elsewhere.example.com', preflight))).toBeNull();
    const refused = await from(open, page, post());
    expect([refused.status, allowed(refused)]).toEqual([401, page]);
    for (const stream of [false, true]) {
      const init = post({ stream });
      const answer = await from(open, page, {
        ...init,
        headers: { ...(init.headers as Record<string, string>), authorization: 'Bearer the-first-key' },
      });
      expect([answer.status, allowed(answer)]).toEqual([200, page]);
      expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
      await answer.text();
    }
    await open.stop();
  });
});
