import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { EventStream } from './event-stream.js';

let server: Server;
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

/** One response of a real server, and its client's side, which reads nothing until told to. */
async function exchange(): Promise<[ServerResponse, Promise<IncomingMessage>]> {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  request.on('error', () => undefined);
  const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  const answer = once(request, 'response').then(([message]) => message as IncomingMessage);
  return [response, answer];
}

const EVENT = 'x'.repeat(64 * 1024);

describe('an event stream', () => {
  it('waits for a client that reads slowly, holding no more than one event for it', async () => {
    const [response, answer] = await exchange();
    const events = new EventStream(response);
    expect(events.begun).toBe(false);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 400; sent++) await events.send(EVENT);
      events.end();
    })();
    const message = await answer;
    // The client reads nothing: what the kernel takes is finite, and so is what is held here.
    while (!response.writableNeedDrain) await new Promise((done) => setTimeout(done, 5));
    expect(sent).toBeLessThan(400);
    expect(response.writableLength).toBeLessThan(2 * EVENT.length + response.writableHighWaterMark);
    let bytes = 0;
    for await (const chunk of message) bytes += (chunk as Buffer).length;
    await sending;
    expect(bytes).toBe(400 * (EVENT.length + 'data: \n\n'.length));
  });

  it('gives up on a client that takes nothing for too long', async () => {
    const [response, answer] = await exchange();
    const events = new EventStream(response, 50);
    const sending = (async () => {
      for (;;) await events.send(EVENT);
    })();
    await answer;
    await expect(sending).rejects.toThrow('The client takes nothing.');
    expect(response.destroyed).toBe(true);
  });

  it('says that its client is gone', async () => {
    const [response, answer] = await exchange();
    const events = new EventStream(response);
    const sending = (async () => {
      for (;;) await events.send(EVENT);
    })();
    (await answer).destroy();
    await expect(sending).rejects.toThrow('The client is gone.');
  });
});
