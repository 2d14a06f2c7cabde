import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BodiesFullError, describeError, type Logger } from '@vigil/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../errors.js';
import { spanOf } from './request-context.js';

/** Every failure in OpenAI's form, and on the request's span. */
@Catch()
export class OpenAiErrorFilter implements ExceptionFilter {
  constructor(
    private readonly log: Logger,
    private readonly bodyLimit: number,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const error = this.toApiError(thrown, request);
    spanOf(request)?.fail(error, false);
    if (reply.sent || reply.raw.headersSent) return;
    if (error.details.retryAfter !== undefined) reply.header('retry-after', String(error.details.retryAfter));
    void reply.status(error.status).type('application/json').send(error.body());
  }

  private toApiError(thrown: unknown, request: FastifyRequest): ApiError {
    if (thrown instanceof ApiError) return thrown;
    if (thrown instanceof BodiesFullError)
      return new ApiError(503, 'overloaded', thrown.message, { retryAfter: thrown.retryAfter });
    const status =
      thrown instanceof HttpException ? thrown.getStatus() : (thrown as { statusCode?: number }).statusCode;
    const message = (thrown as Error | undefined)?.message ?? '';
    if (status === 404)
      return new ApiError(404, 'not_found', `There is no ${request.method} ${pathOf(request)} here. See /v1/models.`);
    if (status === 413)
      return new ApiError(413, 'request_too_large', `The body is larger than ${this.bodyLimit} bytes.`);
    if (status === 415)
      return new ApiError(415, 'unsupported_media_type', 'The body must be JSON, with content-type application/json.');
    if (status !== undefined && status >= 400 && status < 500)
      return new ApiError(status, 'invalid_request', `The request can not be read: ${message.replace(/\.?$/, '.')}`);
    this.log.error({ reason: describeError(thrown) }, 'a request failed');
    return new ApiError(500, 'internal_error', 'The server failed on this request.');
  }
}

const pathOf = (request: FastifyRequest): string => request.url.split('?')[0]!.slice(0, 200);
