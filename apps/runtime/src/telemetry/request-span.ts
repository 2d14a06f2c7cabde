import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Usage } from '../engine/protocol.js';
import type { ApiError } from '../errors.js';
import type { ChatRequest } from '../http/chat-request.js';
import type { Message } from '../text/prompt.js';
import { inputMessages, outputMessages, type OutputMessage } from './content.js';
import { parseTraceparent } from './traceparent.js';

/** Where a note is left of each request that is under way, in case this process is killed. */
export interface RequestNotes {
  /** Resolves once it is written, or takes too long. */
  begin(span: ReadableSpan): Promise<unknown>;
}

export interface Tracing {
  tracer: Tracer;
  outbox: RequestNotes;
  provider: string;
  /** Where clients reach this server: bounded, never what a client says. */
  server: { address: string; port: number };
  captureContent: boolean;
}

/** What a request asks for, as far as it says so. */
export interface Asked {
  stream: boolean;
  temperature?: number | undefined;
  topP?: number | undefined;
  topK?: number | undefined;
  frequencyPenalty?: number | undefined;
  presencePenalty?: number | undefined;
  seed?: number | undefined;
  /** Tokens. */
  maxTokens?: number | undefined;
  /** Answers. */
  n?: number | undefined;
  /** An answer in JSON was asked for. */
  json?: boolean;
  stop: readonly string[];
  conversationId: string | undefined;
  messages: readonly Message[];
}

export interface Answer {
  /** What was said, answer by answer, as far as it is known. */
  messages: readonly OutputMessage[];
  finishReasons: readonly string[];
  /** Whether all reasoning was ended; undefined where there was none. */
  reasoningClosed: boolean | undefined;
}

const NAME_MAX = 200;
/** Characters of a stop text. */
const STOP_MAX = 200;

/** The span of one request, from its first byte to the last of its answer. Nothing here throws or holds a request up. */
export class RequestSpan {
  private readonly span: Span;
  /** One clock for the span, its parts and its durations, or a pause would make a part longer than the whole. */
  private readonly began = performance.now();
  private readonly beganAt = Date.now();
  private noted: Promise<unknown> = Promise.resolve();
  private firstAt: number | undefined;
  /** When its parts began, in milliseconds of the monotonic clock. */
  private acceptedAt = 0;
  private sentAt: number | undefined;
  private tokenAt: number | undefined;
  private lastTokenAt = 0;
  private longestGap = 0;
  private failed: { error: ApiError; midStream: boolean } | undefined;
  private ended = false;
  private progress: { readonly usage: Usage } | undefined;

  constructor(
    private readonly tracing: Tracing,
    headers: Record<string, unknown>,
    /** As `gen_ai.operation.name` has it. */
    private readonly operation = 'chat',
  ) {
    const parent = parseTraceparent(headers['traceparent'], headers['tracestate']);
    this.span = tracing.tracer.startSpan(
      operation,
      {
        kind: SpanKind.SERVER,
        startTime: this.beganAt,
        attributes: {
          'gen_ai.operation.name': operation,
          'gen_ai.provider.name': tracing.provider,
          'server.address': tracing.server.address,
          'server.port': tracing.server.port,
          ...named('gen_ai.conversation.id', conversationOf(headers['x-conversation-id'])),
        },
      },
      parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT,
    );
  }

  /** The model that the client named, even where there is none. */
  model(name: unknown): void {
    if (typeof name !== 'string' || name === '') return;
    const short = name.slice(0, NAME_MAX).toWellFormed();
    this.span.updateName(`${this.operation} ${short}`);
    this.span.setAttribute('gen_ai.request.model', short);
  }

  /** The request is in order and will be answered under this id, unless this process is killed: then the next reports it. */
  accepted(request: ChatRequest, responseId: string, progress: { readonly usage: Usage }): void {
    const { sampling, maxTokens, stop } = request.generation;
    const { temperature, topP, topK, frequencyPenalty, presencePenalty } = sampling;
    this.set({ 'gen_ai.response.id': responseId, 'gen_ai.response.model': request.model });
    const penalties = {
      frequencyPenalty: frequencyPenalty || undefined,
      presencePenalty: presencePenalty || undefined,
    };
    const json = request.generation.grammar !== undefined;
    this.asked(
      { ...request, temperature, topP, topK: topK || undefined, ...penalties, maxTokens, stop, json },
      progress,
    );
  }

  /** The request is in order; from now on a process that is killed leaves a note of it. */
  asked(asked: Asked, progress: { readonly usage: Usage }): void {
    this.progress = progress;
    this.acceptedAt = performance.now();
    this.span.setAttributes({
      ...named('gen_ai.request.temperature', asked.temperature),
      ...named('gen_ai.request.top_p', asked.topP),
      ...named('gen_ai.request.top_k', asked.topK),
      ...named('gen_ai.request.frequency_penalty', asked.frequencyPenalty),
      ...named('gen_ai.request.presence_penalty', asked.presencePenalty),
      ...named('gen_ai.request.seed', asked.seed),
      ...named('gen_ai.request.choice.count', asked.n === 1 ? undefined : asked.n),
      ...(asked.json && { 'gen_ai.output.type': 'json' }),
      'gen_ai.request.stream': asked.stream,
      ...named('gen_ai.request.max_tokens', asked.maxTokens),
      ...(asked.stop.length > 0 && {
        'gen_ai.request.stop_sequences': asked.stop.map((text) => text.slice(0, STOP_MAX).toWellFormed()),
      }),
      ...named('gen_ai.conversation.id', conversationOf(asked.conversationId)),
    });
    this.noted = this.tracing.outbox.begin(this.span as unknown as ReadableSpan);
    if (this.tracing.captureContent) this.span.setAttribute('gen_ai.input.messages', inputMessages(asked.messages));
  }

  /** What else is known of it. */
  set(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  /** As others name it as their parent: a `traceparent` header. */
  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  /** What answers has it now; the last time counts. Milliseconds of the monotonic clock. */
  sent(at = performance.now()): void {
    this.sentAt = at;
  }

  /** A token came, or some at once. Milliseconds of the monotonic clock. */
  token(at = performance.now()): void {
    if (this.tokenAt === undefined) this.tokenAt = at;
    else this.longestGap = Math.max(this.longestGap, at - this.lastTokenAt);
    this.lastTokenAt = at;
  }

  started(queuedSeconds: number, inputTokens: number): void {
    this.sent(Math.min(this.acceptedAt + queuedSeconds * 1000, performance.now()));
    this.span.setAttributes({
      'vigil.queue.duration': queuedSeconds,
      'gen_ai.usage.input_tokens': inputTokens,
      // Nothing is ever shifted out of the context: what does not fit is refused.
      'vigil.context.kept': 1,
    });
  }

  /** To be awaited before the first chunk of a stream: from then on the client knows the response's id. */
  async firstChunk(): Promise<void> {
    this.firstToken();
    await this.noted;
  }

  /** The first token of a stream came. Milliseconds of the monotonic clock. */
  firstToken(at = performance.now()): void {
    this.firstAt ??= at;
  }

  /** Resolves once a process that is killed would leave a note of this request, or that took too long. */
  written(): Promise<unknown> {
    return this.noted;
  }

  answered({ messages, finishReasons, reasoningClosed }: Answer): void {
    this.span.setAttribute('gen_ai.response.finish_reasons', [...finishReasons]);
    if (reasoningClosed !== undefined) this.span.setAttribute('vigil.reasoning.closed', reasoningClosed);
    if (this.tracing.captureContent) this.span.setAttribute('gen_ai.output.messages', outputMessages(messages));
  }

  /** `midStream`: the client has been told 200 before. */
  fail(error: ApiError, midStream: boolean): void {
    this.failed ??= { error, midStream };
  }

  /**
   * The answer is out, or its client is gone.
   * @param status of an answer that was delivered whole; undefined where it was not
   * @returns how it ended: `ok` or an error's type
   */
  end(status: number | undefined): string {
    if (this.ended) return '';
    this.ended = true;
    if (this.firstAt !== undefined)
      this.span.setAttribute('gen_ai.response.time_to_first_chunk', (this.firstAt - this.began) / 1000);
    // As far as it came, whether it came to its end or not.
    const usage = this.progress?.usage;
    if (usage && usage.input + usage.output > 0)
      this.span.setAttributes({
        ...(usage.input > 0 && { 'gen_ai.usage.input_tokens': usage.input }),
        'gen_ai.usage.output_tokens': usage.output,
        'gen_ai.usage.reasoning.output_tokens': usage.reasoning,
      });
    const type = this.failed?.error.errorType ?? (status === undefined ? 'client_disconnected' : undefined);
    if (type !== undefined) this.span.setAttribute('error.type', type);
    if (this.failed && this.failed.error.status >= 500)
      this.span.setStatus({ code: SpanStatusCode.ERROR, message: this.failed.error.message });
    // A stream that broke off was promised as 200, which would be no true word for its end.
    if (status !== undefined && !this.failed?.midStream) this.span.setAttribute('http.response.status_code', status);
    const now = performance.now();
    this.endParts(now);
    this.span.end(this.epoch(now));
    return type ?? 'ok';
  }

  /** Its parts, as spans below it: waiting, reading the prompt up to the first token, and the tokens after it. */
  private endParts(now: number): void {
    if (this.sentAt === undefined) return;
    const context = trace.setSpan(ROOT_CONTEXT, this.span);
    const part = (name: string, from: number, to: number) => {
      this.tracing.tracer.startSpan(name, { startTime: this.epoch(from) }, context).end(this.epoch(to));
    };
    part('queue', this.began, this.sentAt);
    part('prefill', this.sentAt, this.tokenAt ?? now);
    if (this.tokenAt === undefined) return;
    part('decode', this.tokenAt, now);
    if (this.longestGap > 0) this.span.setAttribute('vigil.token.longest_gap', this.longestGap / 1000);
  }

  /** @param at milliseconds of the monotonic clock @returns milliseconds since 1970 */
  private epoch(at: number): number {
    return this.beganAt + Math.max(at - this.began, 0);
  }
}

function named(key: string, value: string | number | undefined): Attributes {
  return value === undefined ? {} : { [key]: value };
}

/** A conversation's id as a client may choose it: any text, within bounds. */
function conversationOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const id = value
    .replace(/\p{Cc}/gu, '')
    .slice(0, 256)
    .toWellFormed()
    .trim();
  return id === '' ? undefined : id;
}
