import { randomUUID } from 'node:crypto';
import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generation.js';
import { ApiError } from '../errors.js';
import type { RequestSpan } from '../telemetry/request-span.js';
import { chunk, completion, usageChunk, type AnswerHead } from './answer-shapes.js';
import { parseChatRequest, type ChatRequest } from './chat-request.js';
import { EventStream } from './event-stream.js';
import { spanOf } from './request-context.js';
import { SERVICES, type Services } from './services.js';

interface Exchange {
  request: ChatRequest;
  head: AnswerHead;
  generation: Generation;
  span: RequestSpan;
}

@Controller('v1/chat')
export class ChatController {
  private readonly engine: Engine;

  constructor(@Inject(SERVICES) private readonly services: Services) {
    this.engine = services.engine;
  }

  @Post('completions')
  @HttpCode(200)
  async create(@Req() http: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const span = spanOf(http)!;
    if (!/^application\/json\b/i.test(http.headers['content-type'] ?? ''))
      throw new ApiError(415, 'unsupported_media_type', 'The body must be JSON, with content-type application/json.');
    span.model((http.body as { model?: unknown } | null)?.model);
    const request = parseChatRequest(http.body, this.services.model, this.engine.info.reasons);
    const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: request.model };
    const generation = this.engine.generate(request.generation);
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished)
        generation.cancel(new ApiError(499, 'client_disconnected', 'The client is gone.'));
    });
    span.accepted(request, head.id, generation);
    const exchange = { request, head, generation, span };
    if (request.stream) await this.stream(exchange, reply);
    else await this.answer(exchange, reply);
  }

  private async answer({ head, generation, span }: Exchange, reply: FastifyReply): Promise<void> {
    let reasoning = '';
    let content = '';
    try {
      for await (const event of generation) {
        if (event.type === 'started') span.started(event.queued, event.inputTokens);
        else if (event.type === 'delta') {
          span.token();
          reasoning += event.reasoning;
          content += event.content;
        } else {
          span.answered({ ...event, reasoning, content });
          void reply.type('application/json').send(completion(head, { ...event, reasoning, content }));
        }
      }
    } finally {
      this.services.metrics.tokens(generation.usage);
    }
  }

  private async stream({ request, head, generation, span }: Exchange, reply: FastifyReply): Promise<void> {
    const events = new EventStream(reply.raw);
    let reasoning = '';
    let content = '';
    let role: { role?: 'assistant' } = { role: 'assistant' };
    const take = (delta: { content?: string; reasoning_content?: string }, finish: string | null) => {
      const event = chunk(head, { ...role, ...delta }, finish, request.includeUsage);
      role = {};
      return events.send(event);
    };
    try {
      for await (const event of generation) {
        if (event.type === 'started') {
          span.started(event.queued, event.inputTokens);
          continue;
        }
        // From here on the answer is ours to write, event by event.
        if (!events.begun) {
          await span.firstChunk();
          reply.hijack();
        }
        if (event.type === 'delta') {
          span.token();
          reasoning += event.reasoning;
          content += event.content;
          if (event.reasoning !== '') await take({ reasoning_content: event.reasoning }, null);
          if (event.content !== '') await take({ content: event.content }, null);
        } else {
          span.answered({ ...event, reasoning, content });
          await take({}, event.finishReason);
          if (request.includeUsage) await events.send(usageChunk(head, event.usage));
          await events.send('[DONE]');
          events.end();
        }
      }
    } catch (error) {
      await this.breakOff(error, { events, generation, span });
    } finally {
      this.services.metrics.tokens(generation.usage);
    }
  }

  /** What fails before the first event is answered like any error; later an event says so, and the stream ends. */
  private async breakOff(
    thrown: unknown,
    { events, generation, span }: { events: EventStream; generation: Generation; span: RequestSpan },
  ): Promise<void> {
    if (!events.begun) throw thrown;
    const gone = new ApiError(499, 'client_disconnected', 'The client is gone.');
    const reason = thrown instanceof ApiError ? thrown : gone;
    generation.cancel(reason);
    span.fail(reason, true);
    if (reason.errorType === 'client_disconnected') return;
    await events.send(reason.body()).catch(() => undefined);
    events.end();
  }
}
