import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { until } from '@vigil/testing';
import { describe, expect, it } from 'vitest';
import { delta, DONE, refuse, send, SSE, TOKENS } from '../testing/fake-upstream.js';
import { errorOf, SECRET, UpstreamPair } from '../testing/upstream-pair.js';

const pair = UpstreamPair.forTests();
const lastSpan = () => until('a span', () => pair.runtime.receiver.spans.at(-1));

describe('the circuit', () => {
  it('spares an upstream that fails, asks it again later, and says so', async () => {
    await pair.start({ ...pair.alone, UPSTREAM_RETRIES: '0' });
    for (let i = 0; i < 5; i++) {
      pair.first.next.push(refuse(500, ''));
      expect((await pair.post()).status).toBe(502);
    }
    const refused = await pair.post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await errorOf(refused)).toMatchObject({ code: 'upstream_unavailable' });
    expect(pair.first.seen.length).toBe(5);
    expect(
      await pair.runtime.metric('vigil_upstream_circuit_state{upstream="first",state="open",service="runtime"}'),
    ).toBe(1);
    expect((await fetch(`${pair.runtime.url}/health/ready`)).status).toBe(503);
    // Nobody sends requests to what says that it can't take any.
    await until('it to be ready again', async () => (await fetch(`${pair.runtime.url}/health/ready`)).status === 200);
    expect(pair.first.seen.length).toBe(5);
    await until('it to be asked again', async () => (await pair.post()).status === 200);
    expect(pair.first.seen.length).toBe(6);
  });

  it('is not opened for all by one request that fails wherever it is sent', async () => {
    await pair.start({ UPSTREAM_RETRIES: '5' });
    for (const upstream of [pair.first, pair.second])
      upstream.next.push(...Array.from({ length: 6 }, () => refuse(500, '')));
    expect((await pair.post()).status).toBe(502);
    expect([pair.first.seen.length, pair.second.seen.length]).toEqual([5, 1]);
    pair.first.next.length = 0;
    expect((await pair.post()).status).toBe(200);
    expect(pair.first.seen.length).toBe(6);
  });

  it('closes as soon as the answer that tries it begins', async () => {
    await pair.start({ ...pair.alone, UPSTREAM_RETRIES: '0' });
    for (let i = 0; i < 5; i++) {
      pair.first.next.push(refuse(500, ''));
      await pair.post();
    }
    let go: (() => void) | undefined;
    pair.first.next.push(async (response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      await new Promise<void>((done) => (go = done));
      response.end('{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}');
    });
    await until('it to be ready again', async () => (await fetch(`${pair.runtime.url}/health/ready`)).status === 200);
    const trial = pair.post();
    await until('it to be tried', () => go !== undefined);
    await until('it to be asked by others', async () => (await pair.post()).status === 200);
    go!();
    expect((await trial).status).toBe(200);
  });
});

describe('an upstream that has no such model', () => {
  it('is no reason not to ask another', async () => {
    await pair.start({ UPSTREAM_RETRIES: '1' });
    pair.first.next.push(refuse(404, { error: { message: 'The model does not exist.' } }));
    expect((await pair.post()).status).toBe(200);
    expect([pair.first.seen.length, pair.second.seen.length]).toEqual([1, 1]);
    pair.first.next.push(refuse(404, {}));
    pair.second.next.push(refuse(404, { error: { message: 'Nor here.' } }));
    const nowhere = await pair.post();
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
    await pair.start();
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      for (let i = 0; i < 3; i++) await send(response, PING);
      response.end('data: {"error":{"message":"no","code":503}}\n\n');
    });
    const answer = await pair.post({ stream: true });
    expect(await answer.text()).toContain('42');
    expect([pair.first.seen.length, pair.second.seen.length]).toEqual([1, 1]);
  });

  it('are events without data too, and an error of the old kind is one', async () => {
    await pair.start({ ...pair.alone, UPSTREAM_RETRIES: '0' });
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      await send(response, 'data:\n\n');
      response.end(`error: {"code":500,"message":"it broke with ${SECRET}"}\n\n`);
    });
    const text = await (await pair.post({ stream: true })).text();
    expect(text).toMatch(/\ndata:\n\ndata: \{"error":\{"message":"The upstream \\"first\\" failed.*it broke/);
    expect(text).not.toContain(SECRET);
  });

  it('are passed on with the answer', async () => {
    await pair.start();
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, PING);
      await send(response, TOKENS[1]!);
      response.end(`${PING}${delta({}, 'stop')}${DONE}`);
    });
    expect(await (await pair.post({ stream: true })).text()).toBe(PING + TOKENS[1]! + PING + delta({}, 'stop') + DONE);
  });

  it('alone are not enough for ever', async () => {
    await pair.start({ ...pair.alone, UPSTREAM_RETRIES: '0', UPSTREAM_ANSWER_TIMEOUT: '300ms' });
    pair.first.next.push(pings);
    const answer = await pair.post({ stream: true });
    expect([answer.status, (await errorOf(answer)).code]).toEqual([504, 'upstream_stalled']);
  });

  it('end when the request has taken as long as it may', async () => {
    await pair.start({ ...pair.alone, REQUEST_TIMEOUT: '300ms' });
    pair.first.next.push(pings);
    const early = await pair.post({ stream: true });
    expect([early.status, (await errorOf(early)).code]).toEqual([504, 'deadline_exceeded']);
    pair.first.next.push(async (response) => {
      response.writeHead(200, SSE);
      await send(response, TOKENS[1]!);
      await pings(response);
    });
    const late = await (await pair.post({ stream: true })).text();
    expect(late).toContain('"code":"deadline_exceeded"');
    const { attributes } = await lastSpan();
    expect(attributes['error.type']).toBe('deadline_exceeded');
  });
});

describe('the list of models', () => {
  it('that is refused does not make the upstream one that is away', async () => {
    pair.first.modelsStatus = 403;
    await pair.start(pair.alone);
    expect((await fetch(`${pair.runtime.url}/health/ready`)).status).toBe(200);
    expect((await pair.post()).status).toBe(200);
    pair.first.modelsStatus = 502;
    await pair.runtime.stop();
    await pair.start(pair.alone);
    expect((await fetch(`${pair.runtime.url}/health/ready`)).status).toBe(503);
    pair.first.modelsStatus = 200;
  });
});

describe('a connection that was kept', () => {
  it('and reset long after the request was sent is a failure like any other', async () => {
    await pair.start({ ...pair.alone, UPSTREAM_RETRIES: '0' });
    expect((await pair.post()).status).toBe(200);
    pair.first.next.push(async (response) => {
      await new Promise((done) => setTimeout(done, 1200));
      response.socket!.resetAndDestroy();
    });
    expect((await pair.post()).status).toBe(502);
    expect(pair.first.seen.length).toBe(2);
    expect(await pair.attempts('first', 'broke-off')).toBe(1);
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
    await pair.start({ UPSTREAMS: `raw=http://127.0.0.1:${port}`, UPSTREAM_RETRIES: '0' });
    for (let i = 0; i < 4; i++) expect((await pair.post()).status).toBe(200);
    expect(requests).toBe(4);
    expect(await pair.attempts('raw', 'ok')).toBe(4);
    await pair.runtime.app.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});
