import { randomUUID } from 'node:crypto';
import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { chatShape, textShape, type AnswerHead, type ShapeOptions } from './answer-shapes.js';
import type { AnswerRequest } from './body-schema.js';
import { parseChatRequest } from './chat-request.js';
import { Choices } from './choices.js';
import { ownerOf } from './key-guard.js';
import { respond, spanOfJson, type Shape } from './respond.js';
import { SERVICES, type Services } from './services.js';
import { parseTextRequest } from './text-request.js';

@Controller('v1')
export class ChatController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @Post('chat/completions')
  @HttpCode(200)
  async chat(@Req() http: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { model, engine } = this.services;
    await this.answer(http, reply, 'chatcmpl', chatShape, () => parseChatRequest(http.body, model, engine.info));
  }

  @Post('completions')
  @HttpCode(200)
  async text(@Req() http: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.answer(http, reply, 'cmpl', textShape, () => parseTextRequest(http.body, this.services.model));
  }

  private async answer(
    http: FastifyRequest,
    reply: FastifyReply,
    prefix: string,
    shapeOf: (head: AnswerHead, options: ShapeOptions) => Shape,
    parse: () => AnswerRequest,
  ): Promise<void> {
    const span = spanOfJson(http);
    const request = parse();
    const { stream, includeUsage, generation } = request;
    const head = { id: `${prefix}-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: request.model };
    const choices = new Choices(this.services.engine, request.generations, request.n, ownerOf(http));
    span.accepted(request, head.id, choices);
    const shape = shapeOf(head, { includeUsage, logprobs: generation.logprobs !== undefined });
    await respond({ choices, shape, stream, includeUsage, span, reply }, (work) => this.services.metrics.tokens(work));
  }
}
