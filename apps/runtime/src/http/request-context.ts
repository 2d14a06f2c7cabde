import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RuntimeMetrics } from '../metrics.js';
import { RequestSpan, type Tracing } from '../telemetry/request-span.js';

/** Requests for an answer, by path, as `gen_ai.operation.name` calls them. */
const OPERATIONS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text_completion',
};

const spans = new WeakMap<FastifyRequest, RequestSpan>();

/** The span of a request for an answer; undefined for any other request. */
export const spanOf = (request: FastifyRequest): RequestSpan | undefined => spans.get(request);

/**
 * What happens to every request from its first byte: it gets an id, and a request for an answer gets its span, which
 * ends with the connection's last word, whatever comes between. So a body that can not even be read is seen as well.
 */
export function addRequestHooks(server: FastifyInstance, tracing: () => Tracing, metrics: RuntimeMetrics): void {
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', requestId(request.headers['x-request-id']));
    const operation = OPERATIONS[request.routeOptions.url ?? ''];
    if (request.method === 'POST' && operation !== undefined) {
      const span = new RequestSpan(tracing(), request.headers, operation);
      spans.set(request, span);
      reply.raw.once('close', () => metrics.ended(span.end(deliveredStatus(reply))));
    }
    done();
  });
}

/** From here on the response is ours to write, with the headers that were set. */
export function takeOver(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value);
  reply.hijack();
}

function deliveredStatus(reply: FastifyReply): number | undefined {
  return reply.raw.writableFinished ? reply.raw.statusCode : undefined;
}

/** The caller's own id where it is a plain one, so that both sides find the same request. */
function requestId(given: unknown): string {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : `req_${randomUUID()}`;
}
