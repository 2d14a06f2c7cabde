import { connect } from 'node:net';
import { until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, MODEL, TestRuntime } from './testing/runtime.js';

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start({ CONTEXT_SIZE: '64', BODY_LIMIT: '256KiB' });
});
afterAll(() => runtime.stop());

interface Refusal {
  error: { message: string; type: string; param: string | null; code: string };
}

const user = { role: 'user', content: 'Hi' };
const long = Array.from({ length: 200 }, (_, i) => `word${i}`).join(' ');

describe('a bad request is answered in OpenAI’s form, and is a span', () => {
  it.each<[string, unknown, number, string, string | null, RegExp]>([
    ['malformed JSON', '{"model": ', 400, 'invalid_request', null, /can not be read: .*JSON/],
    ['no body', '', 400, 'invalid_request', null, /can not be read/],
    ['a body that is no object', '[]', 400, 'invalid_request', null, /The body is wrong: a JSON object is expected/],
    ['null', 'null', 400, 'invalid_request', null, /a JSON object is expected/],
    ['an unknown model', { ...ask('Hi'), model: 'no-such' }, 404, 'model_not_found', 'model', /no model "no-such"/],
    ['no model', { messages: [user] }, 400, 'invalid_request', 'model', /the name of a model/],
    ['a model that is no text', { ...ask('Hi'), model: 7 }, 400, 'invalid_request', 'model', /the name of a model/],
    ['negative max_tokens', ask('Hi', { max_tokens: -1 }), 400, 'invalid_request', 'max_tokens', /at least 1/],
    ['max_tokens of none', ask('Hi', { max_tokens: 0 }), 400, 'invalid_request', 'max_tokens', /at least 1/],
    [
      'half a token',
      ask('Hi', { max_completion_tokens: 1.5 }),
      400,
      'invalid_request',
      'max_completion_tokens',
      /whole/,
    ],
    ['no messages', { model: MODEL }, 400, 'invalid_request', 'messages', /a list of messages/],
    ['messages: []', ask('', { messages: [] }), 400, 'invalid_request', 'messages', /at least one message/],
    ['a message that is none', ask('', { messages: ['x'] }), 400, 'invalid_request', 'messages[0]', /role and content/],
    [
      'an unknown role',
      ask('', { messages: [user, { role: 'root', content: '' }] }),
      400,
      'invalid_request',
      'messages[1].role',
      /one of system/,
    ],
    [
      'a picture',
      ask('', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }),
      400,
      'invalid_request',
      'messages[0].content[0].type',
      /only parts of type "text"/,
    ],
    [
      'content of numbers',
      ask('', { messages: [{ role: 'user', content: 1 }] }),
      400,
      'invalid_request',
      'messages[0].content',
      /a text or a list/,
    ],
    ['a temperature of 3', ask('Hi', { temperature: 3 }), 400, 'invalid_request', 'temperature', /from 0 to 2/],
    ['top_p of 2', ask('Hi', { top_p: 2 }), 400, 'invalid_request', 'top_p', /from 0 to 1/],
    ['a seed that is none', ask('Hi', { seed: 'x' }), 400, 'invalid_request', 'seed', /a whole number/],
    ['five stops', ask('Hi', { stop: ['a', 'b', 'c', 'd', 'e'] }), 400, 'invalid_request', 'stop', /up to 4 texts/],
    ['stream: "yes"', ask('Hi', { stream: 'yes' }), 400, 'invalid_request', 'stream', /true or false/],
    ['no answer', ask('Hi', { n: 0 }), 400, 'invalid_request', 'n', /from 1 to 16/],
    ['17 answers', ask('Hi', { n: 17 }), 400, 'invalid_request', 'n', /from 1 to 16/],
    [
      'tools, of which this model knows nothing',
      ask('Hi', { tools: [{ type: 'function', function: { name: 'f' } }] }),
      400,
      'unsupported_parameter',
      'tools',
      /tools is not/,
    ],
    [
      'a form that is none',
      ask('Hi', { response_format: { type: 'yaml' } }),
      400,
      'invalid_request',
      'response_format.type',
      /json_object or json_schema/,
    ],
    [
      'a JSON schema that is none',
      ask('Hi', { response_format: { type: 'json_schema', json_schema: { schema: 'x' } } }),
      400,
      'invalid_request',
      'response_format.json_schema.schema',
      /a JSON Schema is expected/,
    ],
    [
      'a JSON schema that can not be followed',
      ask('Hi', {
        response_format: { type: 'json_schema', json_schema: { schema: { type: 'string', pattern: 'x' } } },
      }),
      400,
      'invalid_request',
      'response_format.json_schema.schema',
      /has "pattern", which is not supported/,
    ],
    [
      'a JSON schema with a pointer that is none',
      ask('Hi', { response_format: { type: 'json_schema', json_schema: { schema: { $ref: '#/$defs/100%' } } } }),
      400,
      'invalid_request',
      'response_format.json_schema.schema',
      /100%, which is not there/,
    ],
    [
      'a JSON schema without end',
      `{"model":"${MODEL}","messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"schema":${'{"items":'.repeat(20_000)}{}${'}'.repeat(20_003)}`,
      400,
      'invalid_request',
      'response_format.json_schema.schema',
      /nested too deeply|larger than/,
    ],
    ['logprobs of 3', ask('Hi', { logprobs: 3 }), 400, 'invalid_request', 'logprobs', /true or false/],
    [
      '21 top_logprobs',
      ask('Hi', { logprobs: true, top_logprobs: 21 }),
      400,
      'invalid_request',
      'top_logprobs',
      /to 20/,
    ],
    ['top_logprobs alone', ask('Hi', { top_logprobs: 2 }), 400, 'invalid_request', 'top_logprobs', /logprobs must be/],
    ['a prompt longer than the context', ask(long), 400, 'context_length_exceeded', 'messages', /context holds 64/],
    ['such a prompt in a stream', ask(long, { stream: true }), 400, 'context_length_exceeded', 'messages', /holds 64/],
    ['a body over the limit', ask('x'.repeat(300_000)), 413, 'request_too_large', null, /larger than 262144 bytes/],
  ])('%s', async (name, body, status, code, param, message) => {
    const conversation = `bad: ${name}`;
    const response = await runtime.post(body, { headers: { 'x-conversation-id': conversation } });
    const { error } = (await response.json()) as Refusal;
    expect(response.status).toBe(status);
    expect(error).toEqual({ message: expect.stringMatching(message), type: 'invalid_request_error', param, code });
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    const span = await until('its span', () =>
      runtime.receiver.spans.find(({ attributes }) => attributes['gen_ai.conversation.id'] === conversation),
    );
    expect(span.attributes).toMatchObject({
      'error.type': code,
      'http.response.status_code': status,
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'llama.cpp',
    });
    expect(span.attributes).not.toHaveProperty(['gen_ai.response.finish_reasons']);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', ''])(
    'a content type of %j',
    async (type) => {
      const id = `type <${type}>`;
      const headers = { 'content-type': type, 'x-conversation-id': id };
      const response = await runtime.post(ask('Hi'), { headers });
      expect(response.status).toBe(415);
      expect(((await response.json()) as Refusal).error.code).toBe('unsupported_media_type');
      const span = await until('its span', () =>
        runtime.receiver.spans.find(({ attributes }) => attributes['gen_ai.conversation.id'] === id),
      );
      expect(span.attributes['error.type']).toBe('unsupported_media_type');
    },
  );

  it('the model that was asked for is on the span, within bounds', async () => {
    await runtime.post({ ...ask('Hi'), model: 'm'.repeat(10_000) });
    const span = await until('its span', () => runtime.receiver.spans.find(({ name }) => name.startsWith('chat mmm')));
    expect(span.attributes['gen_ai.request.model']).toBe('m'.repeat(200));
  });
});

describe('the context', () => {
  it('ends an answer where it is full, with finish_reason length', async () => {
    const response = await runtime.post(ask('Hi', { ignore_eos: true }));
    const answer = (await response.json()) as {
      choices: { finish_reason: string }[];
      usage: { total_tokens: number };
    };
    expect(answer.choices[0]!.finish_reason).toBe('length');
    expect(answer.usage.total_tokens).toBe(64);
  });

  it('takes a prompt that leaves room for one token, and none that leaves no room', async () => {
    const tokens = async (words: number) => {
      const response = await runtime.post(ask('a '.repeat(words).trim(), { max_tokens: 1 }));
      const body = (await response.json()) as { usage?: { prompt_tokens: number } } & Partial<Refusal>;
      return body.usage?.prompt_tokens ?? body.error!.code;
    };
    const seen: (number | string)[] = [];
    for (let words = 40; words < 70; words++) seen.push(await tokens(words));
    expect(seen).toContain(63);
    expect(seen.at(-1)).toBe('context_length_exceeded');
    expect(seen.filter((n) => typeof n === 'number' && n > 63)).toEqual([]);
  });
});

describe('other requests', () => {
  it.each([
    ['GET', '/v1/nothing', 404],
    ['POST', '/v1/completions', 415],
    ['GET', '/v1/chat/completions', 404],
    ['GET', '/', 404],
    ['GET', '/v1/models/%zz', 400],
  ])('%s %s is answered in the same form', async (method, path, status) => {
    const response = await fetch(`${runtime.url}${path}`, { method });
    expect(response.status).toBe(status);
    expect(((await response.json()) as Refusal).error.message).not.toBe('');
  });

  it('a second runtime on the same port is told so, before it touches anything', async () => {
    const port = new URL(runtime.url).port;
    await expect(TestRuntime.start({ RUNTIME_PORT: port, MODEL: '/nowhere.gguf' })).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is taken. Stop the program that listens there, or set RUNTIME_PORT to a free port.`,
    );
  });

  it('a body nested without end is answered like any other', async () => {
    const depth = 60_000;
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    const body = JSON.stringify(ask('Hi', { max_tokens: 1, metadata: { x: 0 } }));
    expect((await runtime.post(body.replace('"x":0', `"x":${nested}`))).status).toBe(200);
    expect((await runtime.post(body.replace('"Hi"', nested))).status).toBe(400);
    expect((await runtime.post(nested)).status).toBe(400);
  });

  it('any single changed byte of a body is no more than a bad request', async () => {
    const body = Buffer.from(JSON.stringify(ask('Hi', { max_tokens: 1, stop: ['x'], metadata: {}, seed: 1 })));
    let state = 7;
    const answers = new Map<number, number>();
    for (let i = 0; i < 250; i++) {
      state = (state * 48271) % 2147483647;
      const mutant = Buffer.from(body);
      mutant[state % body.length] = (state >> 8) & 0xff;
      const { status } = await runtime.post(mutant.toString('latin1'));
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
    expect([...answers.keys()].toSorted()).toEqual([200, 400, 404]);
  });

  it('bytes that are no HTTP harm nobody', async () => {
    const { port } = new URL(runtime.url);
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('\u0000\u0001 nonsense\r\n\r\n'));
      socket.on('data', (data) => (text += data.toString())).on('close', () => resolve(text));
    });
    expect(answer).toContain('400');
    expect((await runtime.post(ask('Hi', { max_tokens: 1 }))).status).toBe(200);
  });
});
