import { readFile } from 'node:fs/promises';
import { buildRandomModel, NANO_NAME, RANDOM_TINY, withFault } from '@vigil/model';
import { until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelFile } from './testing/random-model.js';
import { ask, TestRuntime } from './testing/runtime.js';

interface Completion {
  id: string;
  choices: { message: { content: string; reasoning_content: string }; finish_reason: string }[];
  usage: { prompt_tokens: number; completion_tokens: number; completion_tokens_details: { reasoning_tokens: number } };
}

const complete = async (runtime: TestRuntime, content: string, change: Record<string, unknown> = {}) =>
  (await (await runtime.post(ask(content, change))).json()) as Completion;

let random: { path: string; remove(): Promise<void> };
beforeAll(async () => {
  random = await modelFile(buildRandomModel(RANDOM_TINY));
});
afterAll(() => random.remove());
const withRandom = (env: Record<string, string> = {}) =>
  TestRuntime.start({ MODEL: random.path, MODEL_NAME: 'vigil-scripted-r1', CONTEXT_SIZE: '2048', ...env });

describe('a reasoning budget', () => {
  it('closes reasoning that runs on, and the answer follows', async () => {
    const runtime = await TestRuntime.start({ REASONING_BUDGET: '12' });
    const { id, choices, usage } = await complete(runtime, 'Hi', { temperature: 0 });
    expect(usage.completion_tokens_details.reasoning_tokens).toBe(13);
    expect(choices[0]!.message.reasoning_content).toMatch(/^Okay, somebody asked/);
    expect(choices[0]!.message.content).toMatch(/^Hello, I am the scripted model/);
    expect(choices[0]!.finish_reason).toBe('stop');
    const span = await until('its span', () => runtime.receiver.byResponse(id));
    expect(span.attributes['vigil.reasoning.closed']).toBe(true);
    expect(await runtime.metric('vigil_runtime_reasoning_cuts_total')).toBe(1);
    await runtime.stop();
  });

  it('holds with a model that never closes it by itself', async () => {
    const runtime = await withRandom({ REASONING_BUDGET: '30', LOOP_GUARD: 'off' });
    const { choices, usage } = await complete(runtime, 'Hi', { seed: 1, temperature: 1, max_tokens: 60 });
    expect(usage.completion_tokens_details.reasoning_tokens).toBe(31);
    expect(choices[0]!.message.content).not.toBe('');
    await runtime.stop();
  });
});

describe('an answer caught in a loop', () => {
  const looping = { temperature: 0, max_tokens: 1800 };
  let faulty: { path: string; remove(): Promise<void> };
  beforeAll(async () => {
    const nano = await readFile(new URL(`../../../models/${NANO_NAME}.gguf`, import.meta.url));
    faulty = await modelFile(withFault(nano, 'loop'));
  });
  afterAll(() => faulty.remove());
  const withLoop = (env: Record<string, string> = {}) => withRandom({ MODEL: faulty.path, ...env });

  it('is ended, and says why', async () => {
    const runtime = await withLoop();
    const { id, choices, usage } = await complete(runtime, 'Hi', looping);
    expect(choices[0]!.finish_reason).toBe('repetition');
    expect(usage.completion_tokens).toBeGreaterThanOrEqual(256);
    expect(usage.completion_tokens).toBeLessThan(600);
    const span = await until('its span', () => runtime.receiver.byResponse(id));
    expect(span.attributes['gen_ai.response.finish_reasons']).toEqual(['repetition']);
    expect(await runtime.metric('vigil_runtime_loops_total')).toBe(1);
    await runtime.stop();
  });

  it.each([
    ['report', 1],
    ['off', 0],
  ])('goes on with LOOP_GUARD=%s, counted %d times', async (guard, counted) => {
    const runtime = await withLoop({ LOOP_GUARD: guard });
    const { choices, usage } = await complete(runtime, 'Hi', { ...looping, max_tokens: 600 });
    expect(choices[0]!.finish_reason).toBe('length');
    expect(usage.completion_tokens).toBe(600);
    expect(await runtime.metric('vigil_runtime_loops_total')).toBe(counted);
    await runtime.stop();
  });
});

describe('the next turn of a conversation', () => {
  it('does not read again what is still there', async () => {
    const runtime = await TestRuntime.start();
    const reused = () => runtime.metric('vigil_runtime_prefix_reused_tokens_total');
    const first = { role: 'user', content: 'Tell me about memory. '.repeat(20) };
    const answer = await complete(runtime, '', { messages: [first] });
    expect(await reused()).toBe(0);
    const messages = [
      first,
      { role: 'assistant', content: answer.choices[0]!.message.content },
      ask('And?').messages[0],
    ];
    await complete(runtime, '', { messages });
    await until('the count', async () => (await reused()) >= answer.usage.prompt_tokens - 10);
    expect(await runtime.metric('vigil_runtime_kv_cache_held_ratio')).toBeGreaterThan(0);
    await runtime.stop();
  });
});

describe('memory', () => {
  it.each([
    ['f16', 'true'],
    ['q8_0', 'true'],
    ['f16', 'false'],
  ])('of the context as %s, flash attention %s: answers come', async (type, flash) => {
    const runtime = await withRandom({ KV_CACHE_TYPE: type, FLASH_ATTENTION: flash });
    expect((await complete(runtime, 'Hi', { max_tokens: 20, ignore_eos: true })).usage.completion_tokens).toBe(20);
    expect(await runtime.metric('vigil_runtime_context_memory_bytes')).toBeGreaterThan(1e6);
    expect(await runtime.metric('vigil_runtime_model_load_progress_ratio')).toBe(1);
    await runtime.stop();
  });

  it('takes less as q8_0', async () => {
    const bytes = async (type: string) => {
      const runtime = await withRandom({ KV_CACHE_TYPE: type, SLOTS: '64' });
      const estimated = await runtime.metric('vigil_runtime_context_memory_bytes');
      await runtime.stop();
      return estimated;
    };
    expect(await bytes('q8_0')).toBeLessThan(0.8 * (await bytes('f16')));
  });

  it('that does not hold what is asked for is told before it is taken, with what would fit', async () => {
    const huge = await modelFile(
      buildRandomModel({ ...RANDOM_TINY, layers: 1, keyHeads: 4, contextLength: 2 ** 31 - 1 }),
    );
    const start = TestRuntime.start({ MODEL: huge.path, SLOTS: '256', CONTEXT_SIZE: String(2 ** 22) });
    await expect(start).rejects.toThrow(
      /does not fit: 256 contexts of 4194304 tokens need [\d.]+ GiB of memory, and [\d.]+ GiB are left beside the model\. (SLOTS=\d+ or )?CONTEXT_SIZE=\d+ would fit\.$/,
    );
    await huge.remove();
  });

  it.each([
    [{ KV_CACHE_TYPE: 'q8_0', FLASH_ATTENTION: 'false' }, 'KV_CACHE_TYPE is q8_0, which needs FLASH_ATTENTION=true.'],
    [{ BATCH_MIN: '9', BATCH_MAX: '8' }, 'BATCH_MIN is 9 and BATCH_MAX 8: the first must not be greater.'],
  ])('%j is told', async (env, sentence) => {
    await expect(TestRuntime.start(env)).rejects.toThrow(sentence);
  });

  it('of the weights is the file’s own pages', async () => {
    const runtime = await withRandom();
    const maps = await readFile(`/proc/${runtime.app.enginePid}/maps`, 'utf8');
    expect(maps).toContain(random.path);
    await runtime.stop();
  });
});

describe('deadlines', () => {
  it('end an answer that takes too long, in the stream too, and give its place to others', async () => {
    const runtime = await withRandom({ REQUEST_TIMEOUT: '300ms', SLOTS: '1' });
    process.kill(runtime.app.enginePid!, 'SIGSTOP');
    const response = await runtime.post(ask('Hi'));
    expect([response.status, await response.json()]).toMatchObject([504, { error: { code: 'deadline_exceeded' } }]);
    process.kill(runtime.app.enginePid!, 'SIGCONT');
    await until('its place to be free', async () => (await runtime.metric('vigil_runtime_requests_running')) === 0);
    expect((await runtime.post(ask('Hi', { max_tokens: 1 }))).status).toBe(200);
    await runtime.stop();
  });

  it('end waiting that takes too long', async () => {
    const runtime = await withRandom({ QUEUE_TIMEOUT: '200ms', SLOTS: '1' });
    process.kill(runtime.app.enginePid!, 'SIGSTOP');
    const first = runtime.post(ask('Hi', { max_tokens: 1 }));
    await until('the first to run', async () => (await runtime.metric('vigil_runtime_requests_running')) === 1);
    const second = await runtime.post(ask('Hi'));
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('5');
    expect(await second.json()).toMatchObject({ error: { code: 'queue_timeout' } });
    process.kill(runtime.app.enginePid!, 'SIGCONT');
    expect((await first).status).toBe(200);
    await runtime.stop();
  });
});

describe('requests that are given up', () => {
  it('leave no sequence, socket or place behind, however many', async () => {
    const runtime = await withRandom({ SLOTS: '8', QUEUE_MAX: '64' });
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const one = async () => {
      const controller = new AbortController();
      const body = ask('a '.repeat(Math.floor(random() * 200)), { ignore_eos: true, stream: random() < 0.5 });
      const answer = runtime.post(body, { signal: controller.signal }).then((response) => response.text());
      setTimeout(() => controller.abort(), random() * 60);
      await answer.catch(() => undefined);
    };
    for (let i = 0; i < 25; i++) await Promise.all(Array.from({ length: 16 }, one));
    await until('nothing to be left', async () => {
      const left = [
        await runtime.metric('vigil_runtime_requests_running'),
        await runtime.metric('vigil_runtime_requests_waiting'),
        await runtime.metric('vigil_runtime_kv_cache_usage_ratio'),
      ];
      return left.every((value) => value === 0);
    });
    const eight = Array.from({ length: 8 }, () => complete(runtime, 'Hi', { max_tokens: 5, ignore_eos: true }));
    for (const { usage } of await Promise.all(eight)) expect(usage.completion_tokens).toBe(5);
    expect(await runtime.metric('vigil_runtime_engine_restarts_total')).toBe(0);
    await runtime.stop();
  });
});
