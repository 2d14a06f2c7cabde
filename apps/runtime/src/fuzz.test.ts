import { buildRandomModel, RANDOM_TINY } from '@vigil/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelFile } from './testing/random-model.js';
import { ask, MODEL, TestRuntime } from './testing/runtime.js';
import { TOOL_TOKENS } from './text/tools.js';

let runtime: TestRuntime;
let model: { path: string; remove(): Promise<void> };
beforeAll(async () => {
  model = await modelFile(buildRandomModel({ ...RANDOM_TINY, control: Object.values(TOOL_TOKENS) }));
  runtime = await TestRuntime.start({
    MODEL: model.path,
    MODEL_NAME: MODEL,
    CONTEXT_SIZE: '320',
    REASONING_BUDGET: '4',
    SLOTS: '16',
  });
});
afterAll(async () => {
  await runtime.stop();
  await model.remove();
});

type Random = () => number;
function generator(seed: number): Random {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

/** What a client may put where something else is expected. */
const ODD: readonly unknown[] = [
  [null, true, false, 0, -0, -1, 1, 1.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 5e-324],
  ['', 'x', '0', '\u0000', '\ud800', '<think>', '</think>', '｜', 'null', 'a'.repeat(3000)],
  [[], [[]], [null], {}, { '': '' }, { toString: 1 }, { constructor: null }, { length: -1 }],
  [JSON.parse('{"__proto__": {"x": 1}}')],
].flat();
const SCHEMAS: readonly unknown[] = [
  { type: 'object', properties: { a: { enum: [1, 2] } }, required: ['a'] },
  { type: 'array', items: { type: 'boolean' }, maxItems: 3 },
  { $ref: '#' },
  { $ref: '#/$defs/a', $defs: { a: { anyOf: [{ const: 1 }, { $ref: '#/$defs/a' }] } } },
  { anyOf: [] },
  { enum: [] },
  { enum: ['"', '\\', '\n', '\u2028', '😀'] },
  { type: 'string', minLength: 1, maxLength: 1000 },
  { type: ['object', 'null'], additionalProperties: { type: 'number' } },
];

/** Values that each parameter takes, among them such as only nearly fit. */
const POOLS: Readonly<Record<string, readonly unknown[]>> = {
  model: [MODEL, 'other'],
  n: [1, 2, 16, 17],
  stream: [true, false],
  stream_options: [{ include_usage: true }, { include_usage: 'x' }, { other: 1 }],
  max_tokens: [1, 3, 0],
  max_completion_tokens: [1, 2 ** 40],
  temperature: [0, 2, 2.1],
  top_p: [0, 1, 0.5],
  top_k: [-1, 0, 1, 1e6],
  min_p: [0, 1],
  frequency_penalty: [-2, 2, -2.1],
  presence_penalty: [-2, 2],
  seed: [0, -1, 2 ** 53 - 1, -(2 ** 53) + 1],
  stop: ['a', ['a', 'b'], ['', 'a'], Array.from({ length: 5 }, String)],
  ignore_eos: [true, false],
  metadata: [{ conversation_id: 'c' }, { conversation_id: 7 }],
  logprobs: [true, false, 5, 6],
  top_logprobs: [0, 20, 21],
  response_format: [
    { type: 'text' },
    { type: 'json_object' },
    ...SCHEMAS.map((schema) => ({ type: 'json_schema', json_schema: { name: 'x', schema } })),
  ],
  tools: SCHEMAS.map((parameters) => [{ type: 'function', function: { name: 'f', parameters } }]),
  tool_choice: ['auto', 'none', 'required', { type: 'function', function: { name: 'f' } }],
  parallel_tool_calls: [true, false],
  messages: [
    [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
    [{ role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: '{' } }] }],
    [{ role: 'tool', content: 'x' }],
    [{ role: 'system', content: '' }],
  ],
  prompt: ['x', ['x', 'y'], ''],
};

/** A body of which some parameters are as they may be and some are not. */
function body(random: Random): Record<string, unknown> {
  const made: Record<string, unknown> = { ...ask('Hi', { max_tokens: 4 }), prompt: 'Hi' };
  for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
    const name = pick(random, Object.keys(POOLS));
    made[name] = structuredClone(pick(random, random() < 0.3 ? ODD : POOLS[name]!));
    if (random() < 0.15) inside(made[name], random);
  }
  return made;
}

/** Puts something odd somewhere into a value. */
function inside(value: unknown, random: Random): void {
  if (typeof value !== 'object' || value === null) return;
  const key = pick(random, [...Object.keys(value), 'extra']);
  const child = (value as Record<string, unknown>)[key];
  if (typeof child === 'object' && child !== null && random() < 0.7) inside(child, random);
  else (value as Record<string, unknown>)[key] = structuredClone(pick(random, ODD));
}

interface Answered {
  object?: string;
  choices?: unknown[];
  error?: { message: string; type: string; param: string | null; code: string };
}

/** What a client got: OpenAI's answer, or OpenAI's error. */
async function answered(path: string, sent: Record<string, unknown>): Promise<number> {
  const response = await fetch(`${runtime.url}/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(sent),
  });
  const text = await response.text();
  const streamed = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  if (streamed) expect(text).toMatch(/data: \[DONE\]\n\n$/);
  const first = JSON.parse(streamed ? text.slice('data: '.length, text.indexOf('\n\n')) : text) as Answered;
  if (response.status === 200) {
    expect(first.object).toMatch(/^(chat\.completion|text_completion)/);
    expect(Array.isArray(first.choices)).toBe(true);
  } else {
    const { message, type, code } = first.error!;
    expect(message).toMatch(/^[^\n]{5,1000}\.$/);
    expect([type, typeof code]).toEqual(['invalid_request_error', 'string']);
  }
  return response.status;
}

describe('whatever a client sends', () => {
  it.each([
    ['chat/completions', 1],
    ['completions', 2],
  ])('to %s is answered, or refused in a sentence', async (path, seed) => {
    const random = generator(seed);
    const seen = new Map<number, number>();
    for (let round = 0; round < 25; round++) {
      const sent = Array.from({ length: 12 }, () => body(random));
      for (const one of sent) one.max_tokens ??= 4;
      const statuses = await Promise.all(
        sent.map((one) =>
          answered(path, one).catch((error: Error) => {
            throw new Error(`${error.message}\nasked: ${JSON.stringify(one).slice(0, 2000)}`);
          }),
        ),
      );
      for (const status of statuses) seen.set(status, (seen.get(status) ?? 0) + 1);
    }
    expect([...seen.keys()].toSorted()).toEqual([200, 400, 404]);
    expect(seen.get(200)).toBeGreaterThan(30);
    expect(seen.get(400)).toBeGreaterThan(30);
  });

  it('harms nobody: the engine is the same, and answers', async () => {
    expect(await runtime.metric('vigil_runtime_engine_restarts_total')).toBe(0);
    expect(await runtime.metric('vigil_runtime_requests_running')).toBe(0);
    expect((await runtime.post(ask('Hi', { max_tokens: 1 }))).status).toBe(200);
  });
});
