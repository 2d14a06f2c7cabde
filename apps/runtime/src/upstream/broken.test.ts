import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { until } from '@vigil/testing';
import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { delta, DONE, refuse, send, SSE, TOKENS } from '../testing/fake-upstream.js';
import { ask } from '../testing/runtime.js';
import { errorOf, REQUEST, SECRET, UpstreamPair } from '../testing/upstream-pair.js';

const pair = UpstreamPair.forTests();
const lastSpan = () => until('a span', () => pair.runtime.receiver.spans.at(-1));

describe('before the first byte', () => {
  it.each<[string, ReturnType<typeof refuse>]>([
    ['500', refuse(500, { error: { message: 'CUDA error' } })],
    ['503', refuse(503, 'busy')],
    ['429 that asks for a long rest', refuse(429, {}, { 'retry-after': '3600' })],
    ['a wrong key', refuse(401, { error: { message: `Incorrect key ${SECRET}` } })],
    ['an empty account', refuse(402, { error: { message: 'Insufficient Balance' } })],
    ['a broken connection', (response) => response.destroy()],
    ['what is no HTTP', (response) => response.socket!.end('HTTP/9.9 what?\r\n\r\n')],
    ['what is no stream', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    [
      'an error where a token should be',
      (response) => response.writeHead(200, SSE).end('data: {"error":{"message":"no","code":500}}\n\n'),
    ],
    ['a stream that ends at once', (response) => response.writeHead(200, SSE).end()],
    ['headers without end', (response) => response.writeHead(200, { 'x-long': 'x'.repeat(40_000) }).end()],
  ])('%s is answered by the next upstream', async (_, reply) => {
    await pair.start();
    pair.first.next.push(reply);
    const answer = await pair.post({ stream: true });
    expect([answer.status, await answer.text()]).toEqual([200, [...TOKENS, DONE].join('')]);
    expect([pair.first.seen.length, pair.second.seen.length]).toEqual([1, 1]);
    expect(pair.second.seen[0]!.headers.authorization).toBeUndefined();
    expect((await lastSpan()).attributes).toMatchObject({
      'vigil.upstream.name': 'second',
      'vigil.upstream.attempts': 2,
    });
    expect(await pair.attempts('second', 'ok')).toBe(1);
  });

  it('the same upstream is asked again where there is no other, a bounded number of times', async () => {
    await pair.start(pair.alone);
    pair.first.next.push(refuse(500, ''), refuse(502, ''));
    expect((await pair.post()).status).toBe(200);
    expect(pair.first.seen.length).toBe(3);
    pair.first.next.push(refuse(500, ''), refuse(500, ''), refuse(500, 'out of memory'));
    const answer = await pair.post();
    expect(answer.status).toBe(502);
    expect(await errorOf(answer)).toMatchObject({
      code: 'upstream_failed',
      message: 'The upstream "first" failed (status 500): out of memory',
    });
    expect(pair.first.seen.length).toBe(6);
    expect(await pair.attempts('first', 'failed')).toBe(5);
  });

  it('a rest that was asked for is kept, and passed on where it is long', async () => {
    await pair.start(pair.alone);
    pair.first.next.push(refuse(429, {}, { 'retry-after': '1' }));
    const began = performance.now();
    expect((await pair.post()).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(900);
    pair.first.next.push(refuse(429, { error: { message: 'slow down' } }, { 'retry-after': '30' }));
    const answer = await pair.post();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '30']);
    expect(await errorOf(answer)).toMatchObject({ code: 'upstream_busy' });
    expect(pair.first.seen.length).toBe(3);
  });

  it('a key that is refused is told to nobody, and is no mistake of the client’s', async () => {
    await pair.start(pair.alone);
    pair.first.next.push(refuse(401, { error: { message: `Incorrect API key provided: ${SECRET}` } }));
    const answer = await pair.post();
    expect(answer.status).toBe(502);
    expect(JSON.stringify(await errorOf(answer))).not.toContain(SECRET);
    await lastSpan();
    expect(JSON.stringify(pair.runtime.receiver.spans)).not.toContain(SECRET);
    expect(await (await fetch(`${pair.runtime.url}/metrics`)).text()).not.toContain(SECRET);
  });

  it('an upstream that takes the request and says nothing is given up', async () => {
    await pair.start({ UPSTREAM_STALL: '300ms' });
    pair.first.next.push(() => undefined);
    expect(await (await pair.post({ stream: true })).text()).toContain('[DONE]');
    await pair.first.seen[0]!.hungUp;
    expect(pair.second.seen.length).toBe(1);
  });

  it('an answer that does not stream is not asked for twice once it came in part', async () => {
    await pair.start();
    pair.first.next.push((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
      response.write('{"id": "', () => response.destroy());
    });
    const answer = await pair.post();
    expect([answer.status, await errorOf(answer)]).toMatchObject([502, { code: 'upstream_broke_off' }]);
    expect(pair.second.seen.length).toBe(0);
  });

  it('an answer that is no JSON, or too large, is said to be so', async () => {
    await pair.start({ UPSTREAM_ANSWER_MAX: '64KiB' });
    pair.first.next.push((response) => response.end('<html>'));
    expect(await errorOf(await pair.post())).toMatchObject({ code: 'upstream_invalid' });
    pair.first.next.push((response) => response.end(Buffer.alloc(10 * 2 ** 20, 'x')));
    expect(await errorOf(await pair.post())).toMatchObject({
      code: 'upstream_invalid',
      message: expect.stringContaining('larger'),
    });
  });
});

describe('in the middle of a stream', () => {
  const rest = (text: string) => text.split('\n\n').findLast((event) => event !== '')!;
  const UNICODE = Buffer.from(delta({ content: '思考' }));

  it.each<[string, string, (response: ServerResponse) => unknown]>([
    ['is reset', 'upstream_broke_off', (response) => response.destroy()],
    [
      'ends within a character',
      'upstream_broke_off',
      async (response) => {
        await send(response, UNICODE.subarray(0, UNICODE.indexOf('思') + 1));
        response.destroy();
      },
    ],
    ['ends within an event, in good order', 'upstream_broke_off', (response) => response.end('data: {"choices": [')],
    ['ends without a finish', 'upstream_broke_off', (response) => response.end()],
    ['sends an event that is no JSON', 'upstream_invalid', (response) => response.write('data: {"choices": [}\n\n')],
    [
      'sends a line of 10 MB',
      'upstream_invalid',
      (response) => {
        response.write(`data: "${'x'.repeat(10 * 2 ** 20)}`);
      },
    ],
    [
      'says that it failed',
      'upstream_failed',
      (response) => response.end(`data: {"error":{"message":"died with key ${SECRET}","code":500}}\n\n`),
    ],
    [
      'is no chunked encoding any more',
      'upstream_broke_off',
      (response) => response.socket!.end('zzz\r\nnonsense\r\n'),
    ],
  ])('%s: the client is told, others are not harmed', async (_, code, then) => {
    await pair.start();
    const others = Array.from({ length: 5 }, () => pair.post({ stream: true }).then((answer) => answer.text()));
    expect(await Promise.all(others)).toEqual(Array.from({ length: 5 }, () => [...TOKENS, DONE].join('')));
    pair.first.next.push(async (response) => {
      response.on('error', () => undefined);
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      await then(response);
    });
    const answer = await pair.post({ stream: true });
    expect(answer.status).toBe(200);
    const text = await answer.text();
    expect(text.startsWith(TOKENS[1]!)).toBe(true);
    const { error } = JSON.parse(rest(text).slice('data: '.length)) as { error: { code: string; type: string } };
    expect(error).toMatchObject({ code, type: 'server_error' });
    expect(text).not.toContain('\ufffd');
    expect(text).not.toContain(SECRET);
    const span = await until('the span', () =>
      pair.runtime.receiver.spans.find(({ attributes }) => attributes['error.type'] === code),
    );
    expect(span.attributes).toMatchObject({ 'gen_ai.usage.output_tokens': 1 });
    expect(span.attributes).not.toHaveProperty(['http.response.status_code']);
    expect(span.statusCode).toBe(2);
    expect(pair.second.seen.length).toBe(0);
    expect(await (await pair.post({ stream: true })).text()).toContain('[DONE]');
  });

  it('stalls: it is given up, and its connection closed', async () => {
    await pair.start({ UPSTREAM_STALL: '300ms' });
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
    });
    const text = await (await pair.post({ stream: true })).text();
    expect(text).toContain('"code":"upstream_stalled"');
    await pair.first.seen[0]!.hungUp;
  });

  it('is an error that the official client throws', async () => {
    await pair.start();
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      response.destroy();
    });
    const stream = await pair.runtime.openai.chat.completions.create({
      ...(REQUEST as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
      stream: true,
    });
    const read = async () => {
      for await (const _ of stream) continue;
    };
    await expect(read()).rejects.toThrow('The upstream broke off in the middle of its answer.');
  });
});

describe('a client that hangs up', () => {
  it.each([true, false])('ends the upstream’s work as well (stream: %s)', async (stream) => {
    await pair.start();
    pair.first.next.push(async (response) => {
      if (stream) await send(response.writeHead(200, SSE), TOKENS[1]!);
    });
    const hangUp = new AbortController();
    const answer = pair.post({ stream }, { signal: hangUp.signal });
    await until('it to be asked', () => pair.first.seen.length === 1);
    if (stream) await (await answer).body!.getReader().read();
    hangUp.abort();
    await answer.catch(() => undefined);
    await pair.first.seen[0]!.hungUp;
    const span = await until('the span', () =>
      pair.runtime.receiver.spans.find(({ attributes }) => attributes['error.type'] === 'client_disconnected'),
    );
    expect(span.attributes['gen_ai.usage.output_tokens']).toBe(stream ? 1 : undefined);
    await until('the count', async () => (await pair.attempts('first', 'cancelled')) === 1);
    expect(await pair.runtime.metric('vigil_runtime_requests_running')).toBe(0);
  });

  it('ends its wait for another try', async () => {
    await pair.start(pair.alone);
    pair.first.next.push(refuse(429, {}, { 'retry-after': '4' }));
    const hangUp = new AbortController();
    const answer = pair.post({}, { signal: hangUp.signal });
    await until('a first try', async () => (await pair.attempts('first', 'busy')) === 1);
    hangUp.abort();
    await expect(answer).rejects.toThrow('abort');
    await lastSpan();
    expect(pair.first.seen.length).toBe(1);
  });

  it('or reads nothing makes the upstream wait, and loses nothing', async () => {
    await pair.start();
    const long = delta({ content: 'x'.repeat(60_000) });
    let sent = 0;
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      // Rejects where the connection breaks, which the test would see.
      for (; sent < 400; sent++) if (!response.write(long)) await once(response, 'drain');
      response.end(delta({}, 'stop') + DONE);
    });
    const answer = await pair.post({ stream: true });
    let before = -1;
    await until('the upstream to wait', async () => {
      const still = sent > 0 && sent === before;
      before = sent;
      await new Promise((done) => setTimeout(done, 100));
      return still;
    });
    expect(sent).toBeLessThan(400);
    const text = await answer.text();
    expect(text.length).toBe(400 * long.length + delta({}, 'stop').length + DONE.length);
  });
});

describe('a stop', () => {
  it('tells whoever is being answered', async () => {
    await pair.start();
    pair.first.next.push(async (response) => {
      await send(response.writeHead(200, SSE), TOKENS[1]!);
    });
    const answer = await pair.post({ stream: true });
    const text = answer.text();
    await pair.runtime.app.stop();
    expect(await text).toContain('"code":"server_stopping"');
    await pair.first.seen[0]!.hungUp;
  });
});

describe('a hundred streams at once', () => {
  it('come through whole, each its own, and leave nothing behind', async () => {
    await pair.start({ UPSTREAMS: `first=${pair.first.url} second=${pair.second.url};weight=3` });
    const reply = pair.first.reply;
    for (const upstream of [pair.first, pair.second])
      upstream.reply = async (response, { body }) => {
        response.writeHead(200, SSE);
        for (let i = 0; i < 20; i++) {
          await send(response, delta({ content: `${body.messages[0].content}-${i} ` }));
          await new Promise((done) => setTimeout(done, 2));
        }
        response.end(delta({}, 'stop') + DONE);
      };
    const texts = await Promise.all(
      Array.from({ length: 100 }, async (_, n) =>
        (await pair.post({ ...ask(`s${n}`), model: 'r1', stream: true })).text(),
      ),
    );
    for (const [n, text] of texts.entries()) {
      const said = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, content]) => content).join('');
      expect(said).toBe(Array.from({ length: 20 }, (_, i) => `s${n}-${i} `).join(''));
      expect(text.endsWith(DONE)).toBe(true);
    }
    expect(pair.first.seen.length).toBeGreaterThan(5);
    expect(pair.second.seen.length).toBeGreaterThan(pair.first.seen.length);
    const spans = () => pair.runtime.receiver.spans;
    await until('the spans', () => spans().length === 100);
    for (const { attributes } of spans()) expect(attributes['gen_ai.usage.output_tokens']).toBe(20);
    expect(await pair.runtime.metric('vigil_runtime_requests_running')).toBe(0);
    pair.first.reply = pair.second.reply = reply;
  });
});
