import { Controller, HttpCode, Inject, Post, Req, Res, type DynamicModule, Module } from '@nestjs/common';
import { errorMessage, type Logger } from '@vigil/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { encodeResponse, encodeStatus, JSON_TYPE, mediaType, PROTOBUF, type MediaType } from './answers.js';
import { decompress, EncodingError } from './body.js';
import { decodeJson } from './json.js';
import { decodeProtobuf } from './protobuf.js';
import type { Receiver } from './receiver.js';
import { MalformedError, TooLargeError } from './span.js';

/** Seconds that a sender should wait when nothing more can be taken. */
const RETRY_AFTER = '5';
/** Inflated bodies in work at one time, in greatest bodies; beyond, senders are asked to come again. */
const BODIES_AT_ONCE = 8;

export interface OtlpOptions {
  receiver: Receiver;
  log: Logger;
  /** Bytes of a body, before and after inflating. */
  bodyLimit: number;
}

const OPTIONS = Symbol('otlp options');

class BusyError extends Error {
  override readonly name = 'BusyError';
}

/** OTLP over HTTP, as https://opentelemetry.io/docs/specs/otlp/#otlphttp says. Traces alone are taken. */
@Controller('v1')
export class OtlpController {
  /** Bytes of bodies in work. */
  private held = 0;

  constructor(@Inject(OPTIONS) private readonly options: OtlpOptions) {}

  @Post('traces')
  async traces(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const type = mediaType(request.headers['content-type']);
    if (type === undefined)
      return refuse(reply, JSON_TYPE, 415, `The Content-Type must be ${PROTOBUF} or ${JSON_TYPE}.`);
    try {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const refusal = await this.take(body, request.headers['content-encoding'], type);
      void reply.status(200).header('content-type', type).send(encodeResponse(type, refusal));
    } catch (error) {
      this.fail(reply, type, error);
    }
  }

  /**
   * Not taken, and said so: exporters take 404 for final and drop the batch instead of keeping it to try again. An
   * empty 200 would hide from its sender that nobody looks at what it sends.
   */
  @Post(['metrics', 'logs'])
  @HttpCode(404)
  others(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const type = mediaType(request.headers['content-type']) ?? JSON_TYPE;
    refuse(
      reply,
      type,
      404,
      'Vigil takes traces only. Set OTEL_METRICS_EXPORTER=none and OTEL_LOGS_EXPORTER=none, or send these elsewhere.',
    );
  }

  private async take(body: Buffer, encoding: string | undefined, type: MediaType) {
    const { receiver, bodyLimit } = this.options;
    // Until it is inflated, a body may become as large as the limit.
    const reserved = encoding === undefined ? body.length : bodyLimit;
    if (this.held > 0 && this.held + reserved > bodyLimit * BODIES_AT_ONCE)
      throw new BusyError('Too many exports at once.');
    this.held += reserved;
    try {
      const plain = await decompress(body, encoding, bodyLimit);
      return await receiver.accept(type === JSON_TYPE ? decodeJson(plain) : decodeProtobuf(plain));
    } finally {
      this.held -= reserved;
    }
  }

  private fail(reply: FastifyReply, type: MediaType, error: unknown): void {
    if (error instanceof MalformedError) return refuse(reply, type, 400, error.message);
    if (error instanceof TooLargeError) return refuse(reply, type, 413, error.message);
    if (error instanceof EncodingError) {
      void reply.header('accept-encoding', 'gzip, identity');
      return refuse(reply, type, 415, error.message);
    }
    // Whatever else went wrong, the rows are not safe: the sender keeps them and comes again.
    if (!(error instanceof BusyError))
      this.options.log.warn(
        { reason: errorMessage(error) },
        'an export could not be taken; its sender is asked to retry',
      );
    void reply.header('retry-after', RETRY_AFTER);
    refuse(reply, type, 503, 'Nothing more can be taken now. Send it again later.');
  }
}

function refuse(reply: FastifyReply, type: MediaType, status: number, message: string): void {
  void reply
    .status(status)
    .header('content-type', type)
    .send(encodeStatus(type, status, message));
}

@Module({})
export class OtlpModule {
  static of(options: OtlpOptions): DynamicModule {
    return { module: OtlpModule, controllers: [OtlpController], providers: [{ provide: OPTIONS, useValue: options }] };
  }
}
