import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@vigil/testing';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, MODEL, SCRIPTED, TestRuntime } from '../testing/runtime.js';
import { hangs, retryAfter } from './engine.js';
import { restartDelay } from './engine-process.js';

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start({ SLOTS: '1' });
});
afterAll(() => runtime.stop());

const engine = (signal: NodeJS.Signals) => process.kill(runtime.app.enginePid!, signal);
const readiness = async () => (await fetch(`${runtime.url}/health/ready`)).status;
const isReady = () => until('the engine to be ready', async () => (await readiness()) === 200);
const died = () => runtime.receiver.spans.filter(({ attributes }) => attributes['error.type'] === 'engine_died');

describe('an engine that is killed', () => {
  it('in the middle of a stream: the stream says so, the runtime lives, the engine comes back', async () => {
    const before = runtime.app.enginePid;
    const stream = await runtime.openai.chat.completions.create({
      ...(ask('Hi', { ignore_eos: true }) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
      stream: true,
    });
    const states: number[] = [];
    const watch = until('503, then 200', async () => {
      const status = await readiness();
      if (states.at(-1) !== status) states.push(status);
      return states.includes(503) && status === 200;
    });
    let id = '';
    const reading = async () => {
      for await (const chunk of stream) {
        if (id === '') engine('SIGKILL');
        id = chunk.id;
      }
    };
    await expect(reading()).rejects.toThrow('The engine died while it answered (SIGKILL). Try again.');
    await watch;
    expect(runtime.app.enginePid).not.toBe(before);
    expect((await runtime.post(ask('Hi', { max_tokens: 2 }))).status).toBe(200);
    const span = await until('its span', () => runtime.receiver.byResponse(id));
    expect(span.attributes).toMatchObject({ 'error.type': 'engine_died' });
    // 200 was promised, but it would be no true word for the end.
    expect(span.attributes).not.toHaveProperty(['http.response.status_code']);
    expect(span.statusCode).toBe(2);
    expect(await runtime.metric('vigil_runtime_engine_restarts_total')).toBe(1);
  });

  it('before an answer began: 503 for it, and whoever waits is answered by the next engine', async () => {
    await isReady();
    const earlier = died().length;
    engine('SIGSTOP');
    const first = runtime.post(ask('1', { stream: true }));
    await until('it to run', async () => (await runtime.metric('vigil_runtime_requests_running')) === 1);
    const second = runtime.post(ask('2', { max_tokens: 2 }));
    await until('the other to wait', async () => (await runtime.metric('vigil_runtime_requests_waiting')) === 1);
    engine('SIGKILL');
    const response = await first;
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ error: { type: 'server_error', code: 'engine_died' } });
    expect((await second).status).toBe(200);
    const span = await until('its span', () => died()[earlier]);
    expect(span.attributes['http.response.status_code']).toBe(503);
  });
});

describe('an engine that does not come back', () => {
  it('keeps nobody waiting, and serves again once it can', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-engine-'));
    const model = join(folder, `${MODEL}.gguf`);
    await copyFile(SCRIPTED, model);
    const ill = await TestRuntime.start({ MODEL: model });
    await rm(model);
    process.kill(ill.app.enginePid!, 'SIGKILL');
    await until('it to be given up', async () => {
      const response = await ill.post(ask('Hi'));
      return ((await response.json()) as { error?: { code: string } }).error?.code === 'engine_unavailable';
    });
    const ready = await fetch(`${ill.url}/health/ready`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('is being started again')]);
    expect((await fetch(`${ill.url}/health/live`)).status).toBe(200);
    await copyFile(SCRIPTED, model);
    await until('it to serve again', async () => (await ill.post(ask('Hi', { max_tokens: 1 }))).status === 200);
    await ill.stop();
    await rm(folder, { recursive: true });
  });
});

describe('an engine that hangs', () => {
  it('is ended and started again', async () => {
    const hanging = await TestRuntime.start({ ENGINE_STALL: '1s' });
    process.kill(hanging.app.enginePid!, 'SIGSTOP');
    const response = await hanging.post(ask('Hi'));
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'engine_died' } });
    await until('the next', async () => (await hanging.post(ask('Hi', { max_tokens: 1 }))).status === 200);
    await hanging.stop();
  });
});

describe('no sign of life', () => {
  it.each([
    [true, [], 99, false],
    [true, [4], 99, false],
    [true, [6], 0, true],
    [true, [99, 1], 0, false],
    [true, [99, 6], 0, true],
    [false, [], 50, false],
    [false, [99], 0, false],
    [false, [], 61, true],
  ])('ready %s, requests heard of %j s ago, it itself %s: %s', (ready, signs, silence, gone) => {
    expect(hangs({ ready, signs, silence, stallSeconds: 5 })).toBe(gone);
  });
});

describe('a stop', () => {
  it('tells whoever is being answered, and leaves no process', async () => {
    const stopping = await TestRuntime.start({ SLOTS: '1' });
    const pid = stopping.app.enginePid!;
    process.kill(pid, 'SIGSTOP');
    const answer = stopping.post(ask('Hi'));
    await until('it to run', async () => (await stopping.metric('vigil_runtime_requests_running')) === 1);
    await stopping.app.stop();
    const response = await answer;
    expect([response.status, await response.json()]).toMatchObject([503, { error: { code: 'server_stopping' } }]);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(stopping.receiver.spans.map(({ attributes }) => attributes['error.type'])).toEqual(['server_stopping']);
    await stopping.stop();
  });
});

describe('delays', () => {
  it('between deaths double up to a bound', () => {
    expect([0, 1, 2, 6, 7, 100].map(restartDelay)).toEqual([100, 200, 400, 6400, 10_000, 10_000]);
  });

  it.each([
    [1, 4, 1, 1],
    [64, 4, 1, 4],
    [64, 1, 2, 32],
    [1000, 1, 10, 60],
    [0, 1, 100, 25],
  ])('%d waiting at %d slots, %d s each: ask again after %d s', (waiting, slots, seconds, expected) => {
    expect(retryAfter(waiting, slots, seconds)).toBe(expected);
  });
});
