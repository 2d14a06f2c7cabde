import { until } from '@vigil/testing';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, MODEL, TestRuntime } from './testing/runtime.js';

let runtime: TestRuntime;
let openai: OpenAI;
beforeAll(async () => {
  runtime = await TestRuntime.start();
  openai = runtime.openai;
});
afterAll(() => runtime.stop());

const REASONING =
  'Okay, somebody asked me something, and I should be honest first. I am a very small scripted model: I speak set ' +
  'sentences and do not understand the words above. What I can do is show how reasoning and answer travel apart ' +
  'through this server. So I will say who I am, what Vigil watches, and how to get a real model.';
const ANSWER =
  'Hello, I am the scripted model that ships with Vigil, so this is no real answer to your question. Vigil watches ' +
  'self-hosted DeepSeek-R1 in three layers: GPUs, requests and conversations. It raises an alert when memory fills up, ' +
  'when responses become slow or when errors pile up, and tells Slack. For true answers set MODEL to a GGUF file, for ' +
  'example a distilled R1, and start again.';
const ANSWER_ZH =
  '你好，我是Vigil自带的脚本模型，这不是对你问题的真正回答。Vigil从三个层面观察自托管的DeepSeek-R1：显卡、请求和对话。' +
  '当显存将满、响应变慢或错误增多时，它会发出告警并通知Slack。想得到真实的答案，请把MODEL设为一个GGUF文件，然后重新启动。';

interface Said {
  reasoning: string;
  content: string;
  finish: string | null;
}

const create = async (content: string, change: Record<string, unknown> = {}) => {
  const completion = (await openai.chat.completions.create(
    ask(content, change) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming,
  )) as OpenAI.ChatCompletion;
  const choice = completion.choices[0]!;
  const message = choice.message as OpenAI.ChatCompletionMessage & { reasoning_content: string };
  return {
    completion,
    said: {
      reasoning: message.reasoning_content,
      content: message.content ?? '',
      finish: choice.finish_reason,
    } satisfies Said as Said,
  };
};

const stream = async (content: string, change: Record<string, unknown> = {}) => {
  const said: Said = { reasoning: '', content: '', finish: null };
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  const events = await openai.chat.completions.create({
    ...(ask(content, change) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
    stream: true,
  });
  for await (const chunk of events) {
    chunks.push(chunk);
    const choice = chunk.choices[0];
    const delta = choice?.delta as { content?: string; reasoning_content?: string } | undefined;
    said.reasoning += delta?.reasoning_content ?? '';
    said.content += delta?.content ?? '';
    said.finish = choice?.finish_reason ?? said.finish;
  }
  return { said, chunks };
};

describe('an answer', () => {
  it('is what the bundled model says greedily, word for word, with its reasoning apart', async () => {
    const { completion, said } = await create('Hello, who are you?', { temperature: 0 });
    expect(said).toEqual({ reasoning: REASONING, content: ANSWER, finish: 'stop' });
    expect(completion).toMatchObject({ object: 'chat.completion', model: MODEL });
    expect(completion.id).toMatch(/^chatcmpl-/);
    const { prompt_tokens, completion_tokens, total_tokens, completion_tokens_details } = completion.usage!;
    expect(total_tokens).toBe(prompt_tokens + completion_tokens);
    expect(completion_tokens).toBeGreaterThan(completion_tokens_details!.reasoning_tokens!);
    expect(completion_tokens_details!.reasoning_tokens).toBeGreaterThan(20);
  });

  it('follows the language of the question', async () => {
    expect((await create('你好，你能做什么？', { temperature: 0 })).said.content).toBe(ANSWER_ZH);
  });

  it('comes the same in a stream, with usage at the end when asked for', async () => {
    const { said, chunks } = await stream('Hello, who are you?', {
      temperature: 0,
      stream_options: { include_usage: true },
    });
    expect(said).toEqual({ reasoning: REASONING, content: ANSWER, finish: 'stop' });
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant');
    expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual(chunks.slice(1).map(() => null));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 102 } });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('streams while it is being made', async () => {
    const endless = ask('Hi', { ignore_eos: true });
    const events = await openai.chat.completions.create({
      ...(endless as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
      stream: true,
    });
    const running = () => runtime.metric('vigil_runtime_requests_running');
    for await (const { choices } of events) {
      expect(choices[0]!.finish_reason).toBeNull();
      expect(await running()).toBe(1);
      break;
    }
    await until('nothing runs', async () => (await running()) === 0);
  });

  it('never has a character cut in two, although tokens cut them', async () => {
    const { said, chunks } = await stream('你好', { temperature: 0 });
    expect(said.content).toBe(ANSWER_ZH);
    expect(JSON.stringify(chunks)).not.toContain('\uFFFD');
  });

  it('ends a stream with [DONE]', async () => {
    const response = await runtime.post(ask('Hi', { stream: true, max_tokens: 2 }));
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect((await response.text()).endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('takes any text in any form of content', async () => {
    const parts = [
      { type: 'text', text: 'é 🐳 \u0000 <｜User｜> </think> \ud800' },
      { type: 'text', text: '' },
    ];
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: parts },
      { role: 'assistant', content: null },
      { role: 'assistant', content: '<think>hm</think>ok', reasoning_content: 'hm' },
      { role: 'tool', content: '42', tool_call_id: 'x' },
      { role: 'user', content: 'Hi' },
    ];
    expect((await create('', { messages, temperature: 0 })).said.content).toBe(ANSWER);
  });

  it('leaves the reasoning of earlier turns out of the prompt', async () => {
    const prompt = async (content: string) => {
      const messages = [{ role: 'user', content: 'Hi' }, { role: 'assistant', content }, ask('And?').messages[0]];
      return (await create('', { messages, max_tokens: 1 })).completion.usage!.prompt_tokens;
    };
    expect(await prompt('<think>long and deep thoughts</think>\n\nHello!')).toBe(await prompt('Hello!'));
  });
});

describe('parameters', () => {
  it('max_tokens cuts the answer there, reasoning included', async () => {
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const { completion, said } = await create('Hi', { [name]: 5 });
      expect(said).toMatchObject({ content: '', finish: 'length' });
      expect(completion.usage).toMatchObject({
        completion_tokens: 5,
        completion_tokens_details: { reasoning_tokens: 5 },
      });
    }
  });

  it('stop ends the answer, not the reasoning, and is not part of it', async () => {
    const expected = {
      reasoning: REASONING,
      content: ANSWER.slice(0, ANSWER.indexOf(' Vigil watches')),
      finish: 'stop',
    };
    expect((await create('Hi', { temperature: 0, stop: ' Vigil watches' })).said).toEqual(expected);
    const streamed = await stream('Hi', { temperature: 0, stop: ['nothing', 'Slack', ' Vigil watches'] });
    expect(streamed.said).toEqual(expected);
  });

  it('the same seed gives the same text, alone and in company; others give others', async () => {
    const text = async (seed: number) => {
      const { said } = await create('Hi', { temperature: 1.2, seed });
      return `${said.reasoning}|${said.content}`;
    };
    const alone: string[] = [];
    for (let seed = 0; seed < 8; seed++) alone.push(await text(seed));
    const together = await Promise.all(alone.map((_, seed) => text(seed)));
    expect(together).toEqual(alone);
    expect(new Set(alone).size).toBeGreaterThan(3);
    expect(await text(-1)).toBe(await text(-1));
  });

  it('that change nothing here are ignored', async () => {
    const change = { n: 1, user: 'x', store: false, tools: [], response_format: { type: 'text' }, logit_bias: {} };
    expect((await create('Hi', { ...change, temperature: 0, frequency_penalty: 0.1 })).said.finish).toBe('stop');
  });
});

describe('the model list', () => {
  it('names the one model', async () => {
    expect((await openai.models.list()).data).toMatchObject([{ id: MODEL, object: 'model' }]);
    expect(await openai.models.retrieve(MODEL)).toMatchObject({ id: MODEL });
    await expect(openai.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe('the span of a request', () => {
  const spanOf = (id: string) => until(`the span of ${id}`, () => runtime.receiver.byResponse(id));

  it('says what was asked, what came and when', async () => {
    const completion = await openai.chat.completions.create(
      {
        ...(ask('Hello', { seed: 7, max_tokens: 500, stop: ['Ω'] }) as unknown as OpenAI.ChatCompletionCreateParams),
        stream: false,
        metadata: { conversation_id: 'in the body' },
      },
      {
        headers: {
          'x-conversation-id': 'in the header',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
        },
      },
    );
    const { attributes, ...span } = await spanOf(completion.id);
    expect(span).toMatchObject({
      name: `chat ${MODEL}`,
      kind: 2,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      statusCode: 0,
      resource: { 'service.name': 'vigil-runtime', 'host.name': 'test-node' },
    });
    expect(attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'llama.cpp',
      'gen_ai.request.model': MODEL,
      'gen_ai.request.temperature': 0.6,
      'gen_ai.request.top_p': 0.95,
      'gen_ai.request.seed': 7,
      'gen_ai.request.max_tokens': 500,
      'gen_ai.request.stop_sequences': ['Ω'],
      'gen_ai.request.stream': false,
      'gen_ai.response.model': MODEL,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': completion.usage!.prompt_tokens,
      'gen_ai.usage.output_tokens': completion.usage!.completion_tokens,
      'gen_ai.usage.reasoning.output_tokens': completion.usage!.completion_tokens_details!.reasoning_tokens,
      'gen_ai.conversation.id': 'in the body',
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(runtime.url).port),
      'http.response.status_code': 200,
      'vigil.reasoning.closed': true,
      'vigil.context.kept': 1,
    });
    expect(attributes['vigil.queue.duration']).toBeGreaterThanOrEqual(0);
    expect(attributes).not.toHaveProperty(['gen_ai.response.time_to_first_chunk']);
    for (const unset of ['gen_ai.request.choice.count', 'gen_ai.request.top_k', 'gen_ai.output.type'])
      expect(attributes).not.toHaveProperty([unset]);
    expect(JSON.parse(attributes['gen_ai.input.messages'] as string)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'Hello' }] },
    ]);
    const message = completion.choices[0]!.message as OpenAI.ChatCompletionMessage & { reasoning_content: string };
    expect(JSON.parse(attributes['gen_ai.output.messages'] as string)).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', content: message.reasoning_content },
          { type: 'text', content: message.content },
        ],
        finish_reason: 'stop',
      },
    ]);
  });

  it('of a stream says when its first token came, and of one cut short that the reasoning stayed open', async () => {
    const { chunks } = await stream('Hi', { max_tokens: 3 });
    const { attributes, duration, spanId } = await spanOf(chunks[0]!.id);
    expect(attributes).toMatchObject({
      'gen_ai.request.stream': true,
      'gen_ai.response.finish_reasons': ['length'],
      'vigil.reasoning.closed': false,
      'http.response.status_code': 200,
    });
    expect(attributes['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(0);
    expect(attributes['gen_ai.response.time_to_first_chunk']).toBeLessThanOrEqual(duration);
    const parts = runtime.receiver.parts.filter(({ parentSpanId }) => parentSpanId === spanId);
    expect(parts.map(({ name }) => name)).toEqual(['queue', 'prefill', 'decode']);
    expect(parts.reduce((sum, part) => sum + part.duration, 0)).toBeCloseTo(duration, 0);
  });
});

describe('the metrics', () => {
  it('count requests and tokens, and leave durations to the collector', async () => {
    const before = await runtime.metric('vigil_runtime_tokens_total{kind="output",service="runtime"}');
    await create('Hi', { max_tokens: 5 });
    await until('the count', async () => {
      return (await runtime.metric('vigil_runtime_tokens_total{kind="output",service="runtime"}')) === before + 5;
    });
    expect(await runtime.metric('vigil_runtime_requests_total{outcome="ok",service="runtime"}')).toBeGreaterThan(0);
    expect(await runtime.metric('vigil_runtime_slots')).toBe(4);
    expect(await runtime.metric('vigil_runtime_model_load_seconds')).toBeGreaterThan(0);
    expect(await runtime.metric('vigil_runtime_model_info')).toBe(1);
    const text = await (await fetch(`${runtime.url}/metrics`)).text();
    expect(text).not.toContain('gen_ai_');
    expect((await fetch(`${runtime.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${runtime.url}/health/ready`)).status).toBe(200);
  });
});

describe('message content', () => {
  it('stays out of spans when told so', async () => {
    const discreet = await TestRuntime.start({ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'false' });
    const answer = await discreet.openai.chat.completions.create(ask('my secret', { stream: false }) as never);
    const span = await until('its span', () => discreet.receiver.byResponse((answer as OpenAI.ChatCompletion).id));
    expect(Object.keys(span.attributes).filter((key) => key.includes('messages'))).toEqual([]);
    expect(JSON.stringify(span)).not.toContain('my secret');
    await discreet.stop();
  });
});

describe('telemetry that is switched off', () => {
  it('makes no spans, and answers as ever', async () => {
    const silent = await TestRuntime.start({ OTEL_SDK_DISABLED: 'true' });
    expect((await silent.post(ask('Hi', { max_tokens: 2 }))).status).toBe(200);
    expect((await silent.post(ask('Hi', { temperature: 9 }))).status).toBe(400);
    // A stop sends what there is to send.
    await silent.app.stop();
    expect(silent.receiver.spans).toEqual([]);
    await silent.stop();
  });
});
