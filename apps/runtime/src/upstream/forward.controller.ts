import { Controller, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError, deadlineExceeded } from '../errors.js';
import { spanOf, takeOver } from '../http/request-context.js';
import type { RuntimeMetrics } from '../metrics.js';
import type { RequestSpan } from '../telemetry/request-span.js';
import { noModel, type Opened, type UpstreamEngine } from './engine.js';
import { UpstreamFault } from './fault.js';
import { parseForwardRequest, type Operation } from './forward-request.js';
import type { UpstreamMetrics } from './metrics.js';
import type { Member } from './pool.js';

/** What the controller needs; given to Nest under this token. */
export const FORWARDING = Symbol('forwarding');

export interface Forwarding {
  engine: UpstreamEngine;
  metrics: RuntimeMetrics;
  upstreams: UpstreamMetrics;
  captureContent: boolean;
  /** That an answer may take; 0 is as long as it takes. */
  requestSeconds: number;
}

const NOTHING = { input: 0, output: 0, reasoning: 0 };
const PATHS = { chat: '/chat/completions', text_completion: '/completions' } as const;

/** OpenAI's API before other servers that speak it. */
@Controller('v1')
export class ForwardController {
  constructor(@Inject(FORWARDING) private readonly services: Forwarding) {}

  @Post('chat/completions')
  @HttpCode(200)
  chat(@Req() http: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.forward('chat', http, reply);
  }

  @Post('completions')
  @HttpCode(200)
  completions(@Req() http: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.forward('text_completion', http, reply);
  }

  @Get('models')
  list() {
    return { object: 'list', data: this.services.engine.pool.models.map(modelOf) };
  }

  // A model's name may hold slashes: deepseek-ai/DeepSeek-R1.
  @Get('models/*')
  one(@Param('*') id: string) {
    const model = this.services.engine.pool.models.find((known) => known.id === id);
    if (!model) throw noModel(id);
    return modelOf(model);
  }

  private async forward(operation: Operation, http: FastifyRequest, reply: FastifyReply): Promise<void> {
    const span = spanOf(http)!;
    if (!/^application\/json\b/i.test(http.headers['content-type'] ?? ''))
      throw new ApiError(415, 'unsupported_media_type', 'The body must be JSON, with content-type application/json.');
    span.model((http.body as { model?: unknown } | null)?.model);
    const { body, model, asked } = parseForwardRequest(http.body, operation);
    const gone = new AbortController();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort(new ApiError(499, 'client_disconnected', 'The client is gone.'));
    });
    const { requestSeconds } = this.services;
    const deadline =
      requestSeconds > 0
        ? setTimeout(() => gone.abort(deadlineExceeded(requestSeconds)), requestSeconds * 1000)
        : undefined;
    let opened: Opened | undefined;
    const progress = {
      get usage() {
        return opened?.answer.usage ?? NOTHING;
      },
    };
    span.asked(asked, progress);
    const watch = new Watch(span, this.services.upstreams, asked.stream);
    try {
      opened = await this.services.engine.open({
        path: PATHS[operation],
        body,
        model,
        stream: asked.stream,
        headers: { traceparent: span.traceparent, 'x-request-id': String(reply.getHeader('x-request-id')) },
        keepText: this.services.captureContent,
        signal: gone.signal,
        onTry: (member) => watch.tried(member),
        onToken: (now) => watch.token(now),
      });
      await (opened.relay ? this.stream(opened, span, reply) : this.whole(opened, span, reply));
    } finally {
      clearTimeout(deadline);
      if (opened) this.services.metrics.tokens(opened.answer.usage);
    }
  }

  private async whole(opened: Opened, span: RequestSpan, reply: FastifyReply): Promise<void> {
    opened.ended('ok');
    tell(span, opened);
    await span.written();
    void reply.type('application/json').send(opened.text);
  }

  private async stream(opened: Opened, span: RequestSpan, reply: FastifyReply): Promise<void> {
    const out = reply.raw;
    await span.written();
    takeOver(reply);
    out.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // nginx would collect the events otherwise.
      'x-accel-buffering': 'no',
    });
    try {
      await opened.relay!.pipe(out);
      opened.ended('ok');
      tell(span, opened);
    } catch (error) {
      const fault = this.services.engine.toFault(opened.member, error, true);
      opened.ended(fault instanceof UpstreamFault ? fault : undefined);
      const reason = fault instanceof UpstreamFault ? fault.toApiError() : fault;
      const told = reason instanceof ApiError ? reason : new ApiError(500, 'internal_error', 'The server failed.');
      tell(span, opened);
      span.fail(told, true);
      if (!out.destroyed) out.write(`data: ${JSON.stringify(told.body())}\n\n`);
    }
    out.end();
  }
}

const modelOf = ({ id, created }: { id: string; created: number }) => ({
  id,
  object: 'model',
  created,
  owned_by: 'vigil',
});

/** What of an answer its span says, as far as it came. */
function tell(span: RequestSpan, { answer }: Opened): void {
  span.set({
    ...(answer.id !== undefined && { 'gen_ai.response.id': answer.id }),
    ...(answer.model !== undefined && { 'gen_ai.response.model': answer.model }),
    ...(answer.counted && { 'vigil.usage.counted': true }),
  });
  const finishReasons = answer.finishReasons.filter((reason) => reason !== undefined);
  if (finishReasons.length === 0) return;
  const { reasoning, content, closed } = answer.text;
  // Of several answers the first alone is read along.
  const messages = [{ reasoning, content, finishReason: finishReasons[0]! }];
  span.answered({ messages, finishReasons, reasoningClosed: closed });
}

/** Times the tokens of one request, for its span and for the metrics of its upstream. */
class Watch {
  private tries = 0;
  private sentAt = 0;
  private lastAt = 0;
  private upstream = '';

  constructor(
    private readonly span: RequestSpan,
    private readonly metrics: UpstreamMetrics,
    private readonly stream: boolean,
  ) {}

  tried({ name, provider }: Member): void {
    this.tries++;
    this.upstream = name;
    this.sentAt = performance.now();
    this.span.sent(this.sentAt);
    this.span.set({
      'gen_ai.provider.name': provider,
      'vigil.upstream.name': name,
      'vigil.upstream.attempts': this.tries,
    });
  }

  token(now: number): void {
    if (this.lastAt === 0) this.metrics.firstTokenAfter(this.upstream, (now - this.sentAt) / 1000);
    else this.metrics.tokenAfter(this.upstream, (now - this.lastAt) / 1000);
    this.lastAt = now;
    if (this.stream) this.span.firstToken(now);
    this.span.token(now);
  }
}
