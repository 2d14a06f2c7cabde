import { connect } from 'node:net';
import { until } from '@vigil/testing';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, TestRuntime } from './testing/runtime.js';

let runtime: TestRuntime;
/** Stops the engine's process in its tracks, so that what is under way stays under way. */
const freeze = () => process.kill(runtime.app.enginePid!, 'SIGSTOP');
const thaw = () => process.kill(runtime.app.enginePid!, 'SIGCONT');
const counts = async () => [
  await runtime.metric('vigil_runtime_requests_running'),
  await runtime.metric('vigil_runtime_requests_waiting'),
];
const untilCounts = (running: number, waiting: number) =>
  until(`${running} running, ${waiting} waiting`, async () => String(await counts()) === String([running, waiting]));

beforeEach(async () => {
  runtime = await TestRuntime.start({ SLOTS: '1', QUEUE_MAX: '1' });
});
afterEach(() => runtime.stop());

describe('the queue', () => {
  it('holds as many as it may, refuses the next with 429, and answers in order', async () => {
    freeze();
    const first = runtime.post(ask('1', { max_tokens: 2 }));
    await untilCounts(1, 0);
    const second = runtime.post(ask('2', { max_tokens: 2 }));
    await untilCounts(1, 1);
    const third = await runtime.post(ask('3', { max_tokens: 2, stream: true }));
    expect(third.status).toBe(429);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await third.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'queue_full' } });
    thaw();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    const ids = await Promise.all([first, second].map(async (r) => ((await (await r).json()) as { id: string }).id));
    const spans = await Promise.all(ids.map((id) => until('its span', () => runtime.receiver.byResponse(id))));
    const [one, two] = spans.map(({ attributes }) => attributes['vigil.queue.duration'] as number);
    expect(two).toBeGreaterThan(one!);
    const refused = await until('the refused one', () =>
      runtime.receiver.spans.find(({ attributes }) => attributes['error.type'] === 'queue_full'),
    );
    expect(refused.attributes['http.response.status_code']).toBe(429);
  });
});

describe('a client that hangs up', () => {
  const cancelled = () =>
    until('the span', () =>
      runtime.receiver.spans.find(({ attributes }) => attributes['error.type'] === 'client_disconnected'),
    );

  it('in the middle of a stream ends its generation', async () => {
    const stream = await runtime.openai.chat.completions.create({
      ...(ask('Hi', { ignore_eos: true }) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
      stream: true,
    });
    for await (const _chunk of stream) break;
    const { attributes } = await cancelled();
    expect(attributes['gen_ai.usage.output_tokens']).toBeLessThan(4000);
    expect(attributes).toMatchObject({ 'gen_ai.request.stream': true });
    expect(attributes).not.toHaveProperty(['http.response.status_code']);
    await untilCounts(0, 0);
    expect(await runtime.metric('vigil_runtime_requests_total{outcome="client_disconnected",service="runtime"}')).toBe(
      1,
    );
  });

  it('before its unstreamed answer does so too', async () => {
    const controller = new AbortController();
    const answer = runtime.post(ask('Hi', { ignore_eos: true }), { signal: controller.signal });
    await untilCounts(1, 0);
    controller.abort();
    await expect(answer).rejects.toThrow('abort');
    const { attributes } = await cancelled();
    expect(attributes['gen_ai.usage.output_tokens']).toBeLessThan(4000);
    await untilCounts(0, 0);
  });

  it('while it waits gives its place in the queue to another', async () => {
    freeze();
    const first = runtime.post(ask('1', { max_tokens: 2 }));
    await untilCounts(1, 0);
    const controller = new AbortController();
    const second = runtime.post(ask('2'), { signal: controller.signal });
    await untilCounts(1, 1);
    controller.abort();
    await expect(second).rejects.toThrow('abort');
    await untilCounts(1, 0);
    const third = runtime.post(ask('3', { max_tokens: 2 }));
    await untilCounts(1, 1);
    thaw();
    expect([(await first).status, (await third).status]).toEqual([200, 200]);
    await cancelled();
  });

  it('does not hold up the others', async () => {
    const controller = new AbortController();
    const long = runtime.post(ask('a '.repeat(3000), { ignore_eos: true }), { signal: controller.signal });
    await untilCounts(1, 0);
    const next = runtime.post(ask('Hi', { temperature: 0 }));
    await untilCounts(1, 1);
    controller.abort();
    await expect(long).rejects.toThrow('abort');
    expect((await next).status).toBe(200);
  });
});

describe('a client that reads nothing for a while', () => {
  it('loses nothing, and holds up neither the engine nor the others', async () => {
    const body = JSON.stringify(ask('Hi', { ignore_eos: true, stream: true, stream_options: { include_usage: true } }));
    const socket = connect(Number(new URL(runtime.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    socket.pause();
    await untilCounts(1, 0);
    await untilCounts(0, 0);
    expect((await runtime.post(ask('Hi', { max_tokens: 1 }))).status).toBe(200);
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    socket.resume();
    await new Promise((done) => socket.once('close', done));
    expect(text).toContain('data: [DONE]');
    expect(Number(/"completion_tokens":(\d+)/.exec(text)?.[1])).toBeGreaterThan(4000);
  });
});
