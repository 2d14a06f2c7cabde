import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { faultOf, UpstreamFault } from './fault.js';
import type { Upstream } from './upstreams.js';

/** Milliseconds. */
export interface Timeouts {
  /** Until a connection is there. */
  connect: number;
  /** Without a byte, of an answer that streams. */
  stall: number;
  /** Until an answer that does not stream is there whole. */
  answer: number;
}

export interface Ask {
  /** Below the base of the API, such as `/chat/completions`. */
  path: string;
  /** undefined for a GET. */
  body: string | undefined;
  headers: Readonly<Record<string, string>>;
  /** Milliseconds without a response. */
  patience: number;
  signal: AbortSignal;
}

/** What of an error is read. */
const ERROR_MAX = 64 * 1024;
const ERROR_PATIENCE_MS = 5_000;
/** A kept connection that its other end had closed is reset within a round trip. */
const STALE_MS = 1_000;

/** Sends requests to upstreams over connections that are kept. */
export class Connections {
  private readonly http: HttpAgent;
  private readonly https: HttpsAgent;

  constructor(private readonly connectMs: number) {
    const options = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 256, timeout: 0 };
    this.http = new HttpAgent(options);
    this.https = new HttpsAgent(options);
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }

  /**
   * Resolves with a response of status 200, whose body has not been read.
   * @param fresh on a connection of its own
   * @throws UpstreamFault
   * @throws the signal's reason when it is aborted
   */
  async send(upstream: Upstream, ask: Ask, fresh: boolean): Promise<IncomingMessage> {
    const response = await this.exchange(upstream, ask, fresh);
    const status = response.statusCode ?? 0;
    const encoding = response.headers['content-encoding'];
    if (status === 200 && (encoding === undefined || encoding === 'identity')) return response;
    if (status === 200) {
      response.destroy();
      throw new UpstreamFault(
        'invalid',
        `The upstream "${upstream.name}" compresses its answer though it was not asked to.`,
      );
    }
    const answer = {
      status,
      body: await readText(response, ERROR_MAX, ERROR_PATIENCE_MS, ask.signal).catch(() => ''),
      retryAfter: response.headers['retry-after'],
    };
    ask.signal.throwIfAborted();
    throw faultOf(upstream.name, answer, upstream.key === undefined ? [] : [upstream.key], Date.now());
  }

  private exchange(upstream: Upstream, ask: Ask, fresh: boolean): Promise<IncomingMessage> {
    const url = upstream.url + ask.path;
    const secure = url.startsWith('https:');
    return new Promise((resolve, reject) => {
      ask.signal.throwIfAborted();
      const request: ClientRequest = (secure ? httpsRequest : httpRequest)(url, {
        method: ask.body === undefined ? 'GET' : 'POST',
        agent: fresh ? false : secure ? this.https : this.http,
        headers: headersOf(upstream, ask),
      });
      const sentAt = performance.now();
      let connected = false;
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(connecting);
        clearTimeout(patience);
        ask.signal.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: unknown) =>
        settle(() => {
          reject(error as Error);
          request.destroy();
        });
      const onAbort = () => fail(ask.signal.reason);
      const connecting = setTimeout(
        () => fail(new UpstreamFault('unreachable', `The upstream "${upstream.name}" takes no connection.`)),
        this.connectMs,
      );
      const patience = setTimeout(
        () => fail(new UpstreamFault('stalled', `The upstream "${upstream.name}" does not answer.`)),
        ask.patience,
      );
      const onConnect = () => {
        connected = true;
        clearTimeout(connecting);
      };
      ask.signal.addEventListener('abort', onAbort);
      request.on('socket', (socket) => {
        if (request.reusedSocket || (!secure && !socket.connecting)) onConnect();
        else socket.once(secure ? 'secureConnect' : 'connect', onConnect);
      });
      // Stays for errors that come after the response: the response tells them as well.
      request.on('error', (error: NodeJS.ErrnoException) =>
        fail(
          connectionFault(upstream.name, error, {
            connected,
            // Later it has read the request, and perhaps died of it.
            closedBefore: request.reusedSocket && performance.now() - sentAt < STALE_MS,
          }),
        ),
      );
      request.on('response', (response) => {
        // Before anybody listens to its body an error would end the process.
        response.on('error', () => undefined);
        settle(() => resolve(response));
      });
      request.end(ask.body);
    });
  }
}

function headersOf({ key }: Upstream, ask: Ask): Record<string, string | number> {
  return {
    accept: 'application/json, text/event-stream',
    // What is compressed can not be timed.
    'accept-encoding': 'identity',
    'user-agent': 'vigil-runtime',
    ...(ask.body !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(ask.body),
    }),
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...ask.headers,
  };
}

function connectionFault(
  name: string,
  error: NodeJS.ErrnoException,
  { connected, closedBefore }: { connected: boolean; closedBefore: boolean },
): UpstreamFault {
  const code = /^[A-Z0-9_]{1,40}$/.test(error.code ?? '') ? error.code! : 'unknown error';
  if (closedBefore && (code === 'ECONNRESET' || code === 'EPIPE'))
    return new UpstreamFault('broke-off', `The upstream "${name}" closed the connection.`, { stale: true });
  if (!connected) return new UpstreamFault('unreachable', `The upstream "${name}" can not be reached (${code}).`);
  if (code.startsWith('HPE_'))
    return new UpstreamFault('invalid', `The upstream "${name}" answered what is no HTTP (${code}).`);
  return new UpstreamFault('broke-off', `The upstream "${name}" broke off before it answered (${code}).`);
}

export class BodyTooLargeError extends Error {}

/**
 * The whole body as text.
 * @throws BodyTooLargeError past `limit` bytes
 * @throws UpstreamFault where it breaks off, or is not whole after `patience` milliseconds
 */
export async function readText(
  response: IncomingMessage,
  limit: number,
  patience: number,
  signal: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const late = new UpstreamFault('stalled', "The upstream's answer does not come to its end.", { late: true });
  const timer = setTimeout(() => response.destroy(late), patience);
  const onAbort = () => response.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  try {
    signal.throwIfAborted();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw new BodyTooLargeError();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BodyTooLargeError || error === late || error === signal.reason) throw error;
    throw new UpstreamFault('broke-off', 'The upstream broke off in the middle of its answer.', { late: true });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    if (!response.complete) response.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}
