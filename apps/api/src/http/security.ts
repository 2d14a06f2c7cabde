import type { NestFastifyApplication } from '@nestjs/platform-fastify';

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
    .addHook('onSend', async (request, reply) => {
      reply.headers(HEADERS);
      if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store');
    });
}
