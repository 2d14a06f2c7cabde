import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { until } from '@vigil/testing';
import type OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { delta, DONE, FakeUpstream, refuse, send, SSE, TOKENS } from '../testing/fake-upstream.js';
import { ask, TestRuntime } from '../testing/runtime.js';

const SECRET = 'very-secret-key';
let first: FakeUpstream;
let second: FakeUpstream;
let runtime: TestRuntime;

/** One runtime a test, so that no circuit is left open for the next. */
async function start(env: Record<string, string> = {}): Promise<TestRuntime> {
  runtime = await TestRuntime.start({
    ENGINE: 'upstream',
    UPSTREAMS: `first=${first.url};key=FIRST_KEY second=${second.url};tier=2`,
    FIRST_KEY: SECRET,
    ...env,
  });
  return runtime;
}
const alone = { UPSTREAMS: '' };
beforeAll(async () => {
  [first, second] = [await FakeUpstream.start(), await FakeUpstream.start()];
  alone.UPSTREAMS = `first=${first.url};key=FIRST_KEY`;
});
afterAll(() => Promise.all([first.stop(), second.stop()]));
afterEach(async () => {
  await runtime.stop();
  for (const upstream of [first, second]) upstream.seen.length = upstream.next.length = 0;
});

const request = { ...ask('What is it?'), model: 'r1' };
const post = (body: Record<string, unknown> = {}, init: RequestInit = {}) =>
  runtime.post({ ...request, ...body }, init);
const errorOf = async (answer: Response) =>
  ((await answer.json()) as { error: { code: string; message: string } }).error;
const lastSpan = () => until('a span', () => runtime.receiver.spans.at(-1));
const attempts = (upstream: string, outcome: string) =>
  runtime.metric(`vigil_upstream_attempts_total{upstream="${upstream}",outcome="${outcome}",service="runtime"}`);

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
    await start();
    first.next.push(reply);
    const answer = await post({ stream: true });
    expect([answer.status, await answer.text()]).toEqual([200, [...TOKENS, DONE].join('')]);
    expect([first.seen.length, second.seen.length]).toEqual([1, 1]);
    expect(second.seen[0]!.headers.authorization).toBeUndefined();
    expect((await lastSpan()).attributes).toMatchObject({
      'vigil.upstream.name': 'second',
      'vigil.upstream.attempts': 2,
    });
    expect(await attempts('second', 'ok')).toBe(1);
  });

  it('the same upstream is asked again where there is no other, a bounded number of times', async () => {
    await start(alone);
    first.next.push(refuse(500, ''), refuse(502, ''));
    expect((await post()).status).toBe(200);
    expect(first.seen.length).toBe(3);
    first.next.push(refuse(500, ''), refuse(500, ''), refuse(500, 'out of memory'));
    const answer = await post();
    expect(answer.status).toBe(502);
    expect(await errorOf(answer)).toMatchObject({
      code: 'upstream_failed',
      message: 'The upstream "first" failed (status 500): out of memory',
    });
    expect(first.seen.length).toBe(6);
    expect(await attempts('first', 'failed')).toBe(5);
  });

  it('a rest that was asked for is kept, and passed on where it is long', async () => {
    await start(alone);
    first.next.push(refuse(429, {}, { 'retry-after': '1' }));
    const began = performance.now();
    expect((await post()).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(900);
    first.next.push(refuse(429, { error: { message: 'slow down' } }, { 'retry-after': '30' }));
    const answer = await post();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '30']);
    expect(await errorOf(answer)).toMatchObject({ code: 'upstream_busy' });
    expect(first.seen.length).toBe(3);
  });

  it('a key that is refused is told to nobody, and is no mistake of the client’s', async () => {
    await start(alone);
    first.next.push(refuse(401, { error: { message: `Incorrect API key provided: ${SECRET}` } }));
    const answer = await post();
    expect(answer.status).toBe(502);
    expect(JSON.stringify(await errorOf(answer))).not.toContain(SECRET);
    await lastSpan();
    expect(JSON.stringify(runtime.receiver.spans)).not.toContain(SECRET);
    expect(await (await fetch(`${runtime.url}/metrics`)).text()).not.toContain(SECRET);
  });

  it('an upstream that takes the request and says nothing is given up', async () => {
    await start({ UPSTREAM_STALL: '300ms' });
    first.next.push(() => undefined);
    expect(await (await post({ stream: true })).text()).toContain('[DONE]');
    await first.seen[0]!.hungUp;
    expect(second.seen.length).toBe(1);
  });

  it('an answer that does not stream is not asked for twice once it came in part', async () => {
    await start();
    first.next.push((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
      response.write('{"id": "', () => response.destroy());
    });
    const answer = await post();
    expect([answer.status, await errorOf(answer)]).toMatchObject([502, { code: 'upstream_broke_off' }]);
    expect(second.seen.length).toBe(0);
  });

  it('an answer that is no JSON, or too large, is said to be so', async () => {
    await start({ UPSTREAM_ANSWER_MAX: '64KiB' });
    first.next.push((response) => response.end('<html>'));
    expect(await errorOf(await post())).toMatchObject({ code: 'upstream_invalid' });
    first.next.push((response) => response.end(Buffer.alloc(10 * 2 ** 20, 'x')));
    expect(await errorOf(await post())).toMatchObject({
      code: 'upstream_invalid',
      message: expect.stringContaining('larger'),
    });
  });
});

describe('in the middle of a stream', () => {
  const rest = (text: string) => text.split('\n\n').findLast((event) => event !== '')!;
  const UNICODE = Buffer.from(delta({ content: '思考' }));

  it.each<[string, string, (response: import('node:http').ServerResponse) => unknown]>([
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
    await start();
    const others = Array.from({ length: 5 }, () => post({ stream: true }).then((answer) => answer.text()));
    expect(await Promise.all(others)).toEqual(Array.from({ length: 5 }, () => [...TOKENS, DONE].join('')));
    let broken: Promise<void> | undefined;
    first.next.push(async (response, seen) => {
      broken = seen.hungUp;
      response.on('error', () => undefined);
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      await then(response);
    });
    const answer = await post({ stream: true });
    expect(answer.status).toBe(200);
    const text = await answer.text();
    expect(text.startsWith(TOKENS[1]!)).toBe(true);
    const { error } = JSON.parse(rest(text).slice('data: '.length)) as { error: { code: string; type: string } };
    expect(error).toMatchObject({ code, type: 'server_error' });
    expect(text).not.toContain('\ufffd');
    expect(text).not.toContain(SECRET);
    const span = await until('the span', () =>
      runtime.receiver.spans.find(({ attributes }) => attributes['error.type'] === code),
    );
    expect(span.attributes).toMatchObject({ 'gen_ai.usage.output_tokens': 1 });
    expect(span.attributes).not.toHaveProperty(['http.response.status_code']);
    expect(span.statusCode).toBe(2);
    expect(second.seen.length).toBe(0);
    expect(await (await post({ stream: true })).text()).toContain('[DONE]');
    void broken;
  });

  it('stalls: it is given up, and its connection closed', async () => {
    await start({ UPSTREAM_STALL: '300ms' });
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
    });
    const text = await (await post({ stream: true })).text();
    expect(text).toContain('"code":"upstream_stalled"');
    await first.seen[0]!.hungUp;
  });

  it('is an error that the official client throws', async () => {
    await start();
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      response.destroy();
    });
    const stream = await runtime.openai.chat.completions.create({
      ...(request as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
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
    await start();
    first.next.push(async (response) => {
      if (stream) await send(response.writeHead(200, SSE), TOKENS[1]!);
    });
    const hangUp = new AbortController();
    const answer = post({ stream }, { signal: hangUp.signal });
    await until('it to be asked', () => first.seen.length === 1);
    if (stream) await (await answer).body!.getReader().read();
    hangUp.abort();
    await answer.catch(() => undefined);
    await first.seen[0]!.hungUp;
    const span = await until('the span', () =>
      runtime.receiver.spans.find(({ attributes }) => attributes['error.type'] === 'client_disconnected'),
    );
    expect(span.attributes['gen_ai.usage.output_tokens']).toBe(stream ? 1 : undefined);
    await until('the count', async () => (await attempts('first', 'cancelled')) === 1);
    expect(await runtime.metric('vigil_runtime_requests_running')).toBe(0);
  });

  it('ends its wait for another try', async () => {
    await start(alone);
    first.next.push(refuse(429, {}, { 'retry-after': '4' }));
    const hangUp = new AbortController();
    const answer = post({}, { signal: hangUp.signal });
    await until('a first try', async () => (await attempts('first', 'busy')) === 1);
    hangUp.abort();
    await expect(answer).rejects.toThrow('abort');
    await lastSpan();
    expect(first.seen.length).toBe(1);
  });

  it('or reads nothing makes the upstream wait, and loses nothing', async () => {
    await start();
    const long = delta({ content: 'x'.repeat(60_000) });
    let sent = 0;
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      // Rejects where the connection breaks, which the test would see.
      for (; sent < 400; sent++) if (!response.write(long)) await once(response, 'drain');
      response.end(delta({}, 'stop') + DONE);
    });
    const answer = await post({ stream: true });
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

describe('the circuit', () => {
  it('spares an upstream that fails, asks it again later, and says so', async () => {
    await start({ ...alone, UPSTREAM_RETRIES: '0' });
    for (let i = 0; i < 5; i++) {
      first.next.push(refuse(500, ''));
      expect((await post()).status).toBe(502);
    }
    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await errorOf(refused)).toMatchObject({ code: 'upstream_unavailable' });
    expect(first.seen.length).toBe(5);
    expect(await runtime.metric('vigil_upstream_circuit_state{upstream="first",state="open",service="runtime"}')).toBe(
      1,
    );
    expect((await fetch(`${runtime.url}/health/ready`)).status).toBe(503);
    // Nobody sends requests to what says that it can't take any.
    await until('it to be ready again', async () => (await fetch(`${runtime.url}/health/ready`)).status === 200);
    expect(first.seen.length).toBe(5);
    await until('it to be asked again', async () => (await post()).status === 200);
    expect(first.seen.length).toBe(6);
  });

  it('is not opened for all by one request that fails wherever it is sent', async () => {
    await start({ UPSTREAM_RETRIES: '5' });
    for (const upstream of [first, second]) upstream.next.push(...Array.from({ length: 6 }, () => refuse(500, '')));
    expect((await post()).status).toBe(502);
    expect([first.seen.length, second.seen.length]).toEqual([5, 1]);
    first.next.length = 0;
    expect((await post()).status).toBe(200);
    expect(first.seen.length).toBe(6);
  });

  it('closes as soon as the answer that tries it begins', async () => {
    await start({ ...alone, UPSTREAM_RETRIES: '0' });
    for (let i = 0; i < 5; i++) {
      first.next.push(refuse(500, ''));
      await post();
    }
    let go: (() => void) | undefined;
    first.next.push(async (response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      await new Promise<void>((done) => (go = done));
      response.end('{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}');
    });
    await until('it to be ready again', async () => (await fetch(`${runtime.url}/health/ready`)).status === 200);
    const trial = post();
    await until('it to be tried', () => go !== undefined);
    await until('it to be asked by others', async () => (await post()).status === 200);
    go!();
    expect((await trial).status).toBe(200);
  });
});

describe('an upstream that has no such model', () => {
  it('is no reason not to ask another', async () => {
    await start({ UPSTREAM_RETRIES: '1' });
    first.next.push(refuse(404, { error: { message: 'The model does not exist.' } }));
    expect((await post()).status).toBe(200);
    expect([first.seen.length, second.seen.length]).toEqual([1, 1]);
    first.next.push(refuse(404, {}));
    second.next.push(refuse(404, { error: { message: 'Nor here.' } }));
    const nowhere = await post();
    expect([nowhere.status, (await errorOf(nowhere)).message]).toEqual([404, 'Nor here.']);
  });
});

describe('signs of life', () => {
  const PING = ': keep-alive\n\n';
  const pings = async (response: ServerResponse) => {
    if (!response.headersSent) response.writeHead(200, SSE);
    while (!response.destroyed) {
      await send(response, PING);
      await new Promise((done) => setTimeout(done, 20));
    }
  };

  it('are no answer: what fails after them is answered by the next upstream', async () => {
    await start();
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      for (let i = 0; i < 3; i++) await send(response, PING);
      response.end('data: {"error":{"message":"no","code":503}}\n\n');
    });
    const answer = await post({ stream: true });
    expect(await answer.text()).toContain('42');
    expect([first.seen.length, second.seen.length]).toEqual([1, 1]);
  });

  it('are events without data too, and an error of the old kind is one', async () => {
    await start({ ...alone, UPSTREAM_RETRIES: '0' });
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      await send(response, 'data:\n\n');
      response.end(`error: {"code":500,"message":"it broke with ${SECRET}"}\n\n`);
    });
    const text = await (await post({ stream: true })).text();
    expect(text).toMatch(/\ndata:\n\ndata: \{"error":\{"message":"The upstream \\"first\\" failed.*it broke/);
    expect(text).not.toContain(SECRET);
  });

  it('are passed on with the answer', async () => {
    await start();
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, PING);
      await send(response, TOKENS[1]!);
      response.end(`${PING}${delta({}, 'stop')}${DONE}`);
    });
    expect(await (await post({ stream: true })).text()).toBe(PING + TOKENS[1]! + PING + delta({}, 'stop') + DONE);
  });

  it('alone are not enough for ever', async () => {
    await start({ ...alone, UPSTREAM_RETRIES: '0', UPSTREAM_ANSWER_TIMEOUT: '300ms' });
    first.next.push(pings);
    const answer = await post({ stream: true });
    expect([answer.status, (await errorOf(answer)).code]).toEqual([504, 'upstream_stalled']);
  });

  it('end when the request has taken as long as it may', async () => {
    await start({ ...alone, REQUEST_TIMEOUT: '300ms' });
    first.next.push(pings);
    const early = await post({ stream: true });
    expect([early.status, (await errorOf(early)).code]).toEqual([504, 'deadline_exceeded']);
    first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      await pings(response);
    });
    const late = await (await post({ stream: true })).text();
    expect(late).toContain('"code":"deadline_exceeded"');
    const { attributes } = await lastSpan();
    expect(attributes['error.type']).toBe('deadline_exceeded');
  });
});

describe('the list of models', () => {
  it('that is refused does not make the upstream one that is away', async () => {
    first.modelsStatus = 403;
    await start(alone);
    expect((await fetch(`${runtime.url}/health/ready`)).status).toBe(200);
    expect((await post()).status).toBe(200);
    first.modelsStatus = 502;
    await runtime.stop();
    await start(alone);
    expect((await fetch(`${runtime.url}/health/ready`)).status).toBe(503);
    first.modelsStatus = 200;
  });
});

describe('a connection that was kept', () => {
  it('and reset long after the request was sent is a failure like any other', async () => {
    await start({ ...alone, UPSTREAM_RETRIES: '0' });
    expect((await post()).status).toBe(200);
    first.next.push(async (response) => {
      await new Promise((done) => setTimeout(done, 1200));
      response.socket!.resetAndDestroy();
    });
    expect((await post()).status).toBe(502);
    expect(first.seen.length).toBe(2);
    expect(await attempts('first', 'broke-off')).toBe(1);
  });

  it('and closed meanwhile costs no try and no failure', async () => {
    const sockets: Socket[] = [];
    let requests = 0;
    // Answers once on each connection, and resets it at the next request.
    const server = createServer((socket) => {
      sockets.push(socket);
      let served = false;
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        if (data.includes('GET ')) return socket.write('HTTP/1.1 404 x\r\ncontent-length: 2\r\n\r\n{}');
        if (served) return socket.resetAndDestroy();
        requests++;
        served = true;
        const body = '{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}';
        return socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await start({ UPSTREAMS: `raw=http://127.0.0.1:${port}`, UPSTREAM_RETRIES: '0' });
    for (let i = 0; i < 4; i++) expect((await post()).status).toBe(200);
    expect(requests).toBe(4);
    expect(await attempts('raw', 'ok')).toBe(4);
    await runtime.app.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe('a stop', () => {
  it('tells whoever is being answered', async () => {
    await start();
    first.next.push(async (response) => {
      await send(response.writeHead(200, SSE), TOKENS[1]!);
    });
    const answer = await post({ stream: true });
    const text = answer.text();
    await runtime.app.stop();
    expect(await text).toContain('"code":"server_stopping"');
    await first.seen[0]!.hungUp;
  });
});

describe('a hundred streams at once', () => {
  it('come through whole, each its own, and leave nothing behind', async () => {
    await start({ UPSTREAMS: `first=${first.url} second=${second.url};weight=3` });
    const reply = first.reply;
    for (const upstream of [first, second])
      upstream.reply = async (response, { body }) => {
        response.writeHead(200, SSE);
        for (let i = 0; i < 20; i++) {
          await send(response, delta({ content: `${body.messages[0].content}-${i} ` }));
          await new Promise((done) => setTimeout(done, 2));
        }
        response.end(delta({}, 'stop') + DONE);
      };
    const texts = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => (await post({ ...ask(`s${n}`), model: 'r1', stream: true })).text()),
    );
    for (const [n, text] of texts.entries()) {
      const said = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, content]) => content).join('');
      expect(said).toBe(Array.from({ length: 20 }, (_, i) => `s${n}-${i} `).join(''));
      expect(text.endsWith(DONE)).toBe(true);
    }
    expect(first.seen.length).toBeGreaterThan(5);
    expect(second.seen.length).toBeGreaterThan(first.seen.length);
    const spans = () => runtime.receiver.spans;
    await until('the spans', () => spans().length === 100);
    for (const { attributes } of spans()) expect(attributes['gen_ai.usage.output_tokens']).toBe(20);
    expect(await runtime.metric('vigil_runtime_requests_running')).toBe(0);
    first.reply = second.reply = reply;
  });
});
