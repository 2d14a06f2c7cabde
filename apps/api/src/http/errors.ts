import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BodiesFullError, describeError, type Logger } from '@vigil/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DatabaseUnavailable } from '../database.js';

/** An answer that is not what was asked for. The message is a sentence for whoever asked. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export const badParameter = (message: string): ApiError => new ApiError(400, 'bad_parameter', message);

/** Every error leaves as `{"error": {"message", "code"}}`; what is our fault is logged and not told. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const request = http.getRequest<FastifyRequest>();
    const { status, code, message } = this.toAnswer(error, request);
    if (status === 503) void reply.header('retry-after', '5');
    // A handler may have announced another type before it failed.
    void reply.status(status).type('application/json; charset=utf-8').send({ error: { message, code } });
  }

  private toAnswer(error: unknown, request: FastifyRequest): { status: number; code: string; message: string } {
    if (error instanceof ApiError) return error;
    if (error instanceof DatabaseUnavailable)
      return { status: 503, code: 'database_unavailable', message: `${error.message} Try again in a few seconds.` };
    if (error instanceof BodiesFullError) return { status: 503, code: 'overloaded', message: error.message };
    const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: number }).statusCode;
    if (status === 404) {
      const path = request.url.split('?')[0];
      return { status, code: 'not_found', message: `There is nothing at ${request.method} ${path}. See /docs.` };
    }
    if (status !== undefined && status >= 400 && status < 500)
      return { status, code: 'bad_request', message: `The request can't be read (${(error as Error).message}).` };
    this.log.error({ reason: describeError(error), path: request.url.split('?')[0] }, 'a request failed');
    return { status: 500, code: 'internal', message: 'Something went wrong here. The log of the API says what.' };
  }
}
