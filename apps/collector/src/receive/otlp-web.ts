import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BodiesFullError, createWeb, type WebOptions } from '@vigil/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { encodeStatus, JSON_TYPE, mediaType } from './answers.js';
import { OtlpModule, type OtlpOptions } from './otlp.controller.js';
import type { OtlpMetrics } from './otlp-metrics.js';

type Web = Awaited<ReturnType<typeof createWeb>>;

/** What fails before the controller is reached (a body over the limit, an unknown path) is answered in OTLP's form too. */
@Catch()
class StatusFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const { status, statusCode, message } = error as { status?: number; statusCode?: number; message?: string };
    const code = [status, statusCode].find((n) => typeof n === 'number' && n >= 400 && n <= 599) ?? 500;
    const type = mediaType(http.getRequest<FastifyRequest>().headers['content-type']) ?? JSON_TYPE;
    if (error instanceof BodiesFullError) void reply.header('retry-after', String(error.retryAfter));
    const known = code < 500 || error instanceof BodiesFullError;
    const text = known ? (message ?? 'Refused.') : 'An error of the collector.';
    void reply
      .status(code)
      .header('content-type', type)
      .send(encodeStatus(type, code, text));
  }
}

/** The web server that OTLP is sent to. */
export function createOtlpWeb(
  options: OtlpOptions,
  metrics: OtlpMetrics,
  web: Pick<WebOptions, 'health' | 'registry' | 'lifecycle'>,
): Promise<Web> {
  return createWeb({
    ...web,
    log: options.log,
    module: OtlpModule.of(options),
    bodyLimit: options.bodyLimit,
    configure: (app) => {
      app.useGlobalFilters(new StatusFilter());
      // Bodies come as they are, of whatever type: what is wrong with one is the controller's to say.
      for (const type of [JSON_TYPE, 'text/plain', '*'])
        app.useBodyParser(type, { bodyLimit: options.bodyLimit }, (_request, body, done) => done(null, body));
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
          if (request.url.startsWith('/v1/')) metrics.answered(reply.statusCode);
          done();
        });
    },
  });
}
