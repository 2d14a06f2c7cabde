import { buildRandomModel, RANDOM_TINY } from '@vigil/model';
import { until } from '@vigil/testing';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelFile } from './testing/random-model.js';
import { ask, MODEL, TestRuntime } from './testing/runtime.js';
import { TOOL_TOKENS } from './text/tools.js';

let runtime: TestRuntime;
let openai: OpenAI;
let model: { path: string; remove(): Promise<void> };
beforeAll(async () => {
  // Whatever a model of random weights would say, its calls must be in order.
  model = await modelFile(buildRandomModel({ ...RANDOM_TINY, control: Object.values(TOOL_TOKENS) }));
  runtime = await TestRuntime.start({
    MODEL: model.path,
    MODEL_NAME: MODEL,
    CONTEXT_SIZE: '2048',
    REASONING_BUDGET: '6',
    LOOP_GUARD: 'off',
  });
  openai = runtime.openai;
});
afterAll(async () => {
  await runtime.stop();
  await model.remove();
});

type Body = OpenAI.ChatCompletionCreateParamsNonStreaming;
const tool = (name: string, parameters: Record<string, unknown>, strict = true): OpenAI.ChatCompletionFunctionTool => ({
  type: 'function',
  function: { name, description: `What ${name} does`, parameters, strict },
});
const weather = tool('get_weather', {
  type: 'object',
  properties: { city: { enum: ['Bern', 'Chengdu'] }, days: { type: 'integer' } },
  required: ['city', 'days'],
});
const lamp = tool('lamp', { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] });
const named = (name: string) => ({ type: 'function', function: { name } }) as const;
const create = (change: Record<string, unknown>) =>
  openai.chat.completions.create({ ...(ask('How is the weather?', change) as unknown as Body) });

function checked(call: OpenAI.ChatCompletionMessageToolCall): Record<string, unknown> {
  if (call.type !== 'function') throw new Error('no function');
  expect(call.id).toMatch(/^call_/);
  const args = JSON.parse(call.function.arguments) as Record<string, unknown>;
  if (call.function.name === 'lamp') expect(typeof args.on).toBe('boolean');
  else {
    expect(call.function.name).toBe('get_weather');
    expect(['Bern', 'Chengdu']).toContain(args.city);
    expect(Number.isInteger(args.days)).toBe(true);
  }
  return args;
}

describe('a call of a tool', () => {
  it('that is named comes once, behind the reasoning, and follows its schema', async () => {
    for (const seed of [1, 2, 3]) {
      const completion = await create({ tools: [weather, lamp], tool_choice: named('get_weather'), seed });
      const [{ message, finish_reason: finish }] = completion.choices as [OpenAI.ChatCompletion.Choice];
      expect(finish).toBe('tool_calls');
      expect(message.content).toBeNull();
      expect((message as unknown as { reasoning_content: string }).reasoning_content).not.toBe('');
      expect(message.tool_calls).toHaveLength(1);
      expect(Object.keys(checked(message.tool_calls![0]!))).toEqual(['city', 'days']);
      expect(completion.usage!.completion_tokens).toBeGreaterThan(10);
    }
  });

  it('that is required is one of those that there are', async () => {
    const called = new Set<string>();
    for (let seed = 0; seed < 12; seed++) {
      const { choices } = await create({ tools: [weather, lamp], tool_choice: 'required', seed, temperature: 1.5 });
      for (const call of choices[0]!.message.tool_calls!) {
        checked(call);
        called.add((call as OpenAI.ChatCompletionMessageFunctionToolCall).function.name);
      }
    }
    expect([...called].toSorted()).toEqual(['get_weather', 'lamp']);
  });

  it('comes also where the model would end within its reasoning; so does JSON', async () => {
    const patient = await TestRuntime.start({
      MODEL: model.path,
      MODEL_NAME: MODEL,
      CONTEXT_SIZE: '2048',
      LOOP_GUARD: 'off',
    });
    const said = async (change: Record<string, unknown>) => {
      const limits = { max_tokens: 150, parallel_tool_calls: false, ...change };
      return (await patient.openai.chat.completions.create(ask('Hi', limits) as unknown as Body)).choices[0]!;
    };
    let early = 0;
    for (let seed = 0; seed < 10; seed++) {
      const free = await said({ seed });
      if (free.finish_reason !== 'stop' || free.message.content !== '') continue;
      early++;
      const called = await said({ seed, tools: [lamp], tool_choice: 'required' });
      expect(called.finish_reason).not.toBe('stop');
      if (called.finish_reason === 'tool_calls') checked(called.message.tool_calls![0]!);
      const json = await said({ seed, response_format: { type: 'json_object' } });
      expect(json.message.content).toMatch(/^\{/);
    }
    // Else nothing was shown.
    expect(early).toBeGreaterThan(0);
    await patient.stop();
  });

  it('comes the same in a stream, its name first and once', async () => {
    const change = { tools: [weather], tool_choice: 'required', seed: 7, parallel_tool_calls: false };
    const whole = await create(change);
    const events = await openai.chat.completions.create({
      ...(ask('How is the weather?', change) as unknown as Body),
      stream: true,
    });
    const pieces: OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall[] = [];
    let finish: string | null = null;
    for await (const { choices } of events) {
      pieces.push(...(choices[0]?.delta.tool_calls ?? []));
      finish = choices[0]?.finish_reason ?? finish;
    }
    const call = whole.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
    expect(finish).toBe('tool_calls');
    expect(pieces[0]).toMatchObject({ index: 0, type: 'function', function: { name: 'get_weather' } });
    expect(pieces.filter(({ id }) => id !== undefined)).toHaveLength(1);
    expect(pieces.map((piece) => piece.function!.arguments).join('')).toBe(call.function.arguments);
  });

  it('is run by the official client, which sends back what came of it', async () => {
    const runner = openai.chat.completions.runTools({
      ...(ask('How is the weather?', { seed: 3, max_tokens: 80 }) as unknown as Body),
      tool_choice: named('lamp'),
      tools: [
        {
          type: 'function',
          function: {
            name: 'lamp',
            parse: JSON.parse,
            function: ({ on }: { on: boolean }) => `was ${typeof on}`,
            parameters: lamp.function.parameters!,
            description: '',
          },
        },
      ],
    });
    const results: unknown[] = [];
    runner.on('functionToolCallResult', (result) => results.push(result));
    await runner.done();
    expect(results).toEqual(['was boolean']);
  });

  it('that is cut off at the limit says so', async () => {
    const { choices } = await create({ tools: [weather], tool_choice: 'required', seed: 1, max_tokens: 16 });
    expect(choices[0]!.finish_reason).toBe('length');
  });

  it('is on the request’s span, with what it was called with', async () => {
    const { id, choices } = await create({ tools: [lamp], tool_choice: named('lamp'), seed: 1 });
    const span = await until('its span', () => runtime.receiver.byResponse(id));
    expect(span.attributes['gen_ai.response.finish_reasons']).toEqual(['tool_calls']);
    const [message] = JSON.parse(span.attributes['gen_ai.output.messages'] as string) as [{ parts: unknown[] }];
    const call = choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
    expect(message.parts.at(-1)).toEqual({
      type: 'tool_call',
      id: call.id,
      name: 'lamp',
      arguments: call.function.arguments,
    });
  });
});

describe('what a tool said', () => {
  it('goes on into the answer, without new reasoning, as the template has it', async () => {
    const messages = [
      { role: 'user', content: 'Light!' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'lamp', arguments: '{"on":true}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'It is on.' },
    ];
    const { choices } = await create({ messages, tools: [lamp], seed: 1, max_tokens: 12 });
    const { content, reasoning_content: reasoning } = choices[0]!.message as unknown as Record<string, string>;
    expect(reasoning).toBe('');
    expect(content).not.toBe('');
  });
});

describe('tools that are told wrong', () => {
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['no list', { tools: {} }, 'tools', /a list of tools/],
    ['one without a name', { tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name', /a name/],
    ['another kind', { tools: [{ type: 'browser' }] }, 'tools[0].type', /"function" is expected/],
    ['a name of a kind that none has', { tools: [tool('a b', {})] }, 'tools[0].function.name', /letters, digits/],
    ['the same name twice', { tools: [lamp, lamp] }, 'tools[1].function.name', /the same name/],
    ['too many', { tools: Array.from({ length: 129 }, (_, i) => tool(`t${i}`, {})) }, 'tools', /at most 128/],
    ['too long', { tools: [tool('x', { description: 'x'.repeat(70_000) })] }, 'tools', /larger than 65536/],
    ['a choice without tools', { tool_choice: 'required' }, 'tool_choice', /no tools to call/],
    [
      'a choice of none of them',
      { tools: [lamp], tool_choice: named('x') },
      'tool_choice.function.name',
      /no tool "x"/,
    ],
    ['a choice that is none', { tools: [lamp], tool_choice: 'perhaps' }, 'tool_choice', /none, auto, required/],
    [
      'a strict schema that can not be followed',
      { tools: [tool('x', { type: 'object', properties: { a: { type: 'string', pattern: '.' } } })] },
      'tools',
      /tools\[0\]\.function\.parameters: \$\.a has "pattern"/,
    ],
    ['with a form', { tools: [lamp], response_format: { type: 'json_object' } }, 'response_format', /together with/],
    [
      'a call without arguments',
      { messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'x' } }] }] },
      'messages[0].tool_calls[0].function.arguments',
      /a text of JSON/,
    ],
  ])('%s', async (_, change, param, message) => {
    const response = await runtime.post(ask('Hi', change));
    const { error } = (await response.json()) as { error: { param: string; message: string } };
    expect(response.status).toBe(400);
    expect(error.param).toBe(param);
    expect(error.message).toMatch(message);
  });

  it('a schema that is not strict and can not be followed leaves the arguments any object', async () => {
    const loose = tool('x', { type: 'object', properties: { a: { type: 'string', pattern: '.' } } }, false);
    const response = await runtime.post(ask('Hi', { tools: [loose], tool_choice: 'none', max_tokens: 1 }));
    expect(response.status).toBe(200);
    expect((await runtime.post(ask('Hi', { tools: [loose], max_tokens: 1 }))).status).toBe(200);
  });
});

describe('a schema that can be read in ever more ways', () => {
  it('ends its own answer, and nobody else’s', async () => {
    const lists = Array.from({ length: 8 }, () => ({ type: 'array', minItems: 1, items: { $ref: '#/$defs/list' } }));
    const schema = { $ref: '#/$defs/list', $defs: { list: { anyOf: lists } } };
    const other = openai.chat.completions.create(
      ask('Hi', { ignore_eos: true, max_tokens: 400, seed: 3 }) as unknown as Body,
    );
    const hostile = create({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } }, seed: 1 });
    await expect(hostile).rejects.toMatchObject({ status: 400, param: 'response_format' });
    expect((await other).usage!.completion_tokens).toBe(400);
  });
});
