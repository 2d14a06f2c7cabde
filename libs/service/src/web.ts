import type { Duplex } from 'node:stream';
import 'reflect-metadata';
import {
  Controller,
  Get,
  HttpCode,
  Inject,
  Module,
  Res,
  type DynamicModule,
  type LoggerService,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';
import type { Registry } from 'prom-client';
import { limitBodies } from './body-budget.js';
import { listenError } from './errors.js';
import { Health } from './health.js';
import type { Lifecycle } from './lifecycle.js';
import type { Logger } from './log.js';

const HEALTH = Symbol('health');
const REGISTRY = Symbol('registry');

@Controller('health')
class HealthController {
  constructor(@Inject(HEALTH) private readonly health: Health) {}

  /** Answers as long as the process turns its event loop. */
  @Get('live')
  @HttpCode(200)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 when every required part is well, 503 with the reasons otherwise. */
  @Get('ready')
  ready(@Res() reply: FastifyReply): void {
    const report = this.health.report();
    void reply.status(report.status === 'unavailable' ? 503 : 200).send(report);
  }
}

@Controller('metrics')
class MetricsController {
  constructor(@Inject(REGISTRY) private readonly registry: Registry) {}

  @Get()
  async metrics(@Res() reply: FastifyReply): Promise<void> {
    void reply.header('content-type', this.registry.contentType).send(await this.registry.metrics());
  }
}

@Module({})
class OperationsModule {
  static of(health: Health, registry: Registry): DynamicModule {
    return {
      module: OperationsModule,
      controllers: [HealthController, MetricsController],
      providers: [
        { provide: HEALTH, useValue: health },
        { provide: REGISTRY, useValue: registry },
      ],
    };
  }
}

/** Nest's own lines, through the process's logger; its start-up chatter at debug. */
function nestLogger(log: Logger): LoggerService {
  return {
    log: (message: unknown, context?: unknown) => log.debug({ context }, String(message)),
    debug: (message: unknown, context?: unknown) => log.debug({ context }, String(message)),
    verbose: (message: unknown, context?: unknown) => log.trace({ context }, String(message)),
    warn: (message: unknown, context?: unknown) => log.warn({ context }, String(message)),
    error: (message: unknown, stack?: unknown) => log.error({ stack }, String(message)),
    fatal: (message: unknown, stack?: unknown) => log.fatal({ stack }, String(message)),
  };
}

/**
 * An address that can't be decoded reaches no route and no filter. The answer has OpenAI's form, whose `message` and `code`
 * are also our API's.
 */
function answerBadAddress(_error: unknown, _request: unknown, reply: FastifyReply): void {
  const message = "The request's address can't be read: it holds a % that begins no code. Write % as %25.";
  void reply.status(400).send({ error: { message, type: 'invalid_request_error', param: null, code: 'bad_url' } });
}

const UNREADABLE: Readonly<Record<string, readonly [line: string, message: string, code: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The headers are larger than 16 KiB.',
    'headers_too_large',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come to its end in time.', 'request_timeout'],
};

/** What is no HTTP, or too much of it, reaches no framework: the socket is all that there is. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [line, message, code] = UNREADABLE[error.code ?? ''] ?? [
    '400 Bad Request',
    'The request is not in the form of HTTP.',
    'bad_request',
  ];
  const body = JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } });
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

export interface WebOptions {
  /** A Nest module, static or dynamic, with the application's controllers and providers. */
  module: Type<unknown> | DynamicModule;
  health: Health;
  registry: Registry;
  log: Logger;
  lifecycle: Lifecycle;
  /** Body limit in bytes; a larger one is answered 413. */
  bodyLimit?: number;
  /** Called before `listen`, for content-type parsers, hooks, filters and documentation pages. */
  configure?: (app: NestFastifyApplication) => void | Promise<void>;
}

/** A Nest application on Fastify with `/health/live`, `/health/ready` and `/metrics`; `listen` starts it. */
export async function createWeb(options: WebOptions): Promise<NestFastifyApplication> {
  const bodyLimit = options.bodyLimit ?? 1024 * 1024;
  const adapter = new FastifyAdapter({
    bodyLimit,
    forceCloseConnections: true,
    // For the request alone, not for its answer: a body that never ends must not be held for ever.
    requestTimeout: 60_000,
    frameworkErrors: answerBadAddress,
    clientErrorHandler: answerUnreadable,
    routerOptions: { ignoreTrailingSlash: true },
  });
  @Module({ imports: [options.module as Type<unknown>, OperationsModule.of(options.health, options.registry)] })
  class RootModule {}
  const app = await NestFactory.create<NestFastifyApplication>(RootModule, adapter, {
    logger: nestLogger(options.log),
    abortOnError: false,
    bodyParser: true,
  });
  options.lifecycle.onStop('web server', () => app.close());
  limitBodies(adapter.getInstance(), bodyLimit);
  await options.configure?.(app);
  return app;
}

/**
 * Starts to listen.
 * @param variable the environment variable that sets the port, for the sentence when it is taken
 * @returns the address, such as `http://127.0.0.1:8080`
 */
export async function listen(
  app: NestFastifyApplication,
  host: string,
  port: number,
  variable: string,
): Promise<string> {
  try {
    await app.listen(port, host);
  } catch (error) {
    throw listenError(error, host, port, variable);
  }
  const address = app.getHttpServer().address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
}
