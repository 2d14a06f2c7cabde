import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as the receiver has it: attributes by name. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  kind: number;
  /** Seconds. */
  duration: number;
  statusCode: number;
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
}

const INTERNAL = 1;

/** What stands where the collector does: a real HTTP server that takes OTLP in JSON. For tests. */
export class Receiver {
  /** Of requests. */
  readonly spans: ReceivedSpan[] = [];
  /** Of their parts. */
  readonly parts: ReceivedSpan[] = [];
  /** Requests seen, refused ones as well. */
  posts = 0;
  /** Answers other than 200; `undefined` is 200. */
  answer: (posts: number, spans: number) => { status: number; headers?: Record<string, string> } | undefined = () =>
    undefined;
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(port = 0): Promise<Receiver> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const receiver = new Receiver(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', async (request, response) => {
      const { status, headers } = await receiver.take(request);
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{}');
    });
    return receiver;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** The span of a response, by the response's id. */
  byResponse(id: string): ReceivedSpan | undefined {
    return this.spans.find((span) => span.attributes['gen_ai.response.id'] === id);
  }

  get listening(): boolean {
    return this.server.listening;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage): Promise<{ status: number; headers?: Record<string, string> }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.posts++;
    if (request.url !== '/v1/traces' || request.headers['content-type'] !== 'application/json') return { status: 404 };
    const all = read(JSON.parse(Buffer.concat(chunks).toString('utf8')) as OtlpRequest);
    const spans = all.filter(({ kind }) => kind !== INTERNAL);
    const refusal = this.answer(this.posts, spans.length);
    if (refusal) return refusal;
    this.spans.push(...spans);
    this.parts.push(...all.filter(({ kind }) => kind === INTERNAL));
    return { status: 200 };
  }
}

interface OtlpValue {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values: OtlpValue[] };
}
interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}
interface OtlpRequest {
  resourceSpans: {
    resource: { attributes: OtlpAttribute[] };
    scopeSpans: {
      spans: {
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        name: string;
        kind: number;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        status: { code?: number };
        attributes: OtlpAttribute[];
      }[];
    }[];
  }[];
}

function read(request: OtlpRequest): ReceivedSpan[] {
  return request.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        name: span.name,
        kind: span.kind,
        duration: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e9,
        statusCode: span.status.code ?? 0,
        attributes: plain(span.attributes),
        resource: plain(resource.attributes),
      })),
    ),
  );
}

const plain = (attributes: readonly OtlpAttribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));

function valueOf(value: OtlpValue): unknown {
  if (value.arrayValue) return value.arrayValue.values.map(valueOf);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.doubleValue ?? value.boolValue;
}
