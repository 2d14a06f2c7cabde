import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** How many greatest bodies a server holds at one time, those that are still being received included. */
const GREATEST_BODIES = 8;

/** More bodies at once than there is room for: the same request may be taken in a moment. */
export class BodiesFullError extends Error {
  override readonly name = 'BodiesFullError';
  readonly statusCode = 503;
  /** Seconds. */
  readonly retryAfter = 1;

  constructor() {
    super('Too many large requests are being received at once. Send it again in a moment.');
  }
}

/**
 * Bounds the memory that bodies take together, from their first byte to the end of the answer. A body that does not
 * announce its length counts as the greatest.
 * @param bodyLimit bytes of the greatest body
 */
export function limitBodies(server: FastifyInstance, bodyLimit: number): void {
  let held = 0;
  server.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => {
    const bytes = announced(request, bodyLimit);
    if (bytes === 0) return done();
    if (held > 0 && held + bytes > bodyLimit * GREATEST_BODIES) return done(new BodiesFullError());
    held += bytes;
    reply.raw.once('close', () => (held -= bytes));
    done();
  });
}

function announced({ headers }: FastifyRequest, bodyLimit: number): number {
  if (headers['transfer-encoding'] !== undefined) return bodyLimit;
  const length = Number(headers['content-length'] ?? 0);
  // What is announced as larger is refused before it is received.
  return Number.isFinite(length) ? Math.min(length, bodyLimit) : bodyLimit;
}
