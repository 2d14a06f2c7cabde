import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiError } from './errors.js';

const HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  // Everything from here alone; the documentation's page sets styles in its text.
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/** Headers of every answer. Answers of the API are not kept by anybody: they are out of date at once. */
export function secure(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request) => {
      // A page elsewhere may make a browser post forms here, though it can't read the answers.
      const { origin, host } = request.headers;
      if (request.method === 'GET' || request.method === 'HEAD' || origin === undefined) return;
      if (!URL.canParse(origin) || new URL(origin).host !== host)
        throw new ApiError(403, 'foreign_origin', 'Changes are taken from pages of this address alone.');
    })
    .addHook('onSend', async (request, reply) => {
      reply.headers(HEADERS);
      if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store');
    });
}
