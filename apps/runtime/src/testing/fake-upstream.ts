import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as an upstream saw it. */
export interface Seen {
  path: string;
  headers: IncomingMessage['headers'];
  body: Record<string, any>;
  /** Resolves when the connection of this request closed before its answer was whole. */
  hungUp: Promise<void>;
}

export type Reply = (response: ServerResponse, seen: Seen) => unknown;

/** Stands where vLLM, SGLang or a hosted API would: a real HTTP server that says what a test tells it to. */
export class FakeUpstream {
  readonly seen: Seen[] = [];
  models: unknown = { object: 'list', data: [{ id: 'r1', object: 'model', created: 1_700_000_000, owned_by: 'vllm' }] };
  modelsStatus = 200;
  /** Answers of the next requests, one each; then `reply`. */
  readonly next: Reply[] = [];
  reply: Reply = (response, { body }) => (body.stream ? stream(response, TOKENS) : whole(response));

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(port = 0): Promise<FakeUpstream> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const upstream = new FakeUpstream(server, (server.address() as AddressInfo).port);
    server.on('request', (request, response) => void upstream.take(request, response));
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url === '/v1/models') {
      // Closed, so that the first request for an answer is not on a connection that was used before.
      const headers = { 'content-type': 'application/json', connection: 'close' };
      response.writeHead(this.modelsStatus, headers).end(JSON.stringify(this.models));
      return;
    }
    const hungUp = new Promise<void>((done) =>
      response.once('close', () => {
        if (!response.writableFinished) done();
      }),
    );
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, any>;
    const seen = { path: request.url!, headers: request.headers, body, hungUp };
    this.seen.push(seen);
    await (this.next.shift() ?? this.reply)(response, seen);
  }
}

export const SSE = { 'content-type': 'text/event-stream' };

const event = (body: unknown): string => `data: ${JSON.stringify(body)}\n\n`;
const head = { id: 'chatcmpl-up-1', object: 'chat.completion.chunk', created: 1, model: 'r1-up' };

/** One event of a stream. */
export const delta = (delta: Record<string, unknown>, finish: string | null = null): string =>
  event({ ...head, choices: [{ index: 0, delta, finish_reason: finish }] });

export const usageEvent = (input: number, output: number, reasoning?: number): string =>
  event({
    ...head,
    choices: [],
    usage: {
      prompt_tokens: input,
      completion_tokens: output,
      total_tokens: input + output,
      ...(reasoning !== undefined && { completion_tokens_details: { reasoning_tokens: reasoning } }),
    },
  });

export const DONE = 'data: [DONE]\n\n';

/** What an R1 says on vLLM with a reasoning parser. */
export const TOKENS = [
  delta({ role: 'assistant', content: '' }),
  delta({ reasoning_content: 'Let me ' }),
  delta({ reasoning_content: 'think: 思考.' }),
  delta({ content: 'It is ' }),
  delta({ content: '42 🐳' }),
  delta({}, 'stop'),
];

/** A stream of these events, each sent by itself; usage where it was asked for. */
export async function stream(response: ServerResponse, events: readonly string[]): Promise<void> {
  response.writeHead(200, SSE);
  for (const text of events) await send(response, text);
  await send(response, usageEvent(7, 5));
  response.end(DONE);
}

/** Writes and lets it go out by itself. */
export async function send(response: ServerResponse, data: string | Buffer): Promise<void> {
  response.write(data);
  await new Promise(setImmediate);
}

export function whole(response: ServerResponse, message: Record<string, unknown> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(
    JSON.stringify({
      id: 'chatcmpl-up-2',
      object: 'chat.completion',
      created: 1,
      model: 'r1-up',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'It is 42.', reasoning_content: 'Let me think.', ...message },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 7, completion_tokens: 8, total_tokens: 15 },
    }),
  );
}

export function refuse(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
}
