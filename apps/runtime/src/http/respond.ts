import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { Said } from '../engine/generation.js';
import type { AnswerLogprob, Usage } from '../engine/protocol.js';
import { ApiError } from '../errors.js';
import type { RequestSpan } from '../telemetry/request-span.js';
import type { ToolCall } from '../text/tools.js';
import type { Choices } from './choices.js';
import { EventStream } from './event-stream.js';
import { spanOf, takeOver } from './request-context.js';

/** One answer as far as it has come. */
export interface Choice {
  reasoning: string;
  content: string;
  logprobs: AnswerLogprob[];
  calls: IdentifiedCall[];
  finishReason: string | null;
  reasoningClosed: boolean | undefined;
}

/** A call of a tool, with the id under which the client tells what came of it. */
export type IdentifiedCall = ToolCall & { id: string };

/** A piece of an answer. Of a call: `call` is there at its beginning, `args` is what was added. */
export type Part = Pick<Choice, 'reasoning' | 'content' | 'logprobs'> & {
  calls: { index: number; call: IdentifiedCall | undefined; args: string }[];
};

/** What the parts of an answer look like in one of OpenAI's APIs. */
export interface Shape {
  whole(choices: readonly Choice[], usage: Usage): unknown;
  /** `begins`: nothing of this answer was sent before. */
  delta(index: number, part: Part, begins: boolean): unknown[];
  finish(index: number, finishReason: string, begins: boolean): unknown;
  usage(usage: Usage): unknown;
}

export interface Response {
  choices: Choices;
  shape: Shape;
  stream: boolean;
  includeUsage: boolean;
  span: RequestSpan;
  reply: FastifyReply;
}

/** The span of a request whose body was promised as JSON. @throws ApiError 415 */
export function spanOfJson(http: FastifyRequest): RequestSpan {
  if (!/^application\/json\b/i.test(http.headers['content-type'] ?? ''))
    throw new ApiError(415, 'unsupported_media_type', 'The body must be JSON, with content-type application/json.');
  const span = spanOf(http)!;
  span.model((http.body as { model?: unknown } | null)?.model);
  return span;
}

/** Sends the answers, as events or as a whole. @throws ApiError that can still be answered as such */
export async function respond(response: Response, done: (work: Usage) => void): Promise<void> {
  const { choices, reply } = response;
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) choices.cancel(new ApiError(499, 'client_disconnected', 'The client is gone.'));
  });
  try {
    if (response.stream) await sendStream(response);
    else await sendWhole(response);
  } finally {
    done(choices.work);
  }
}

/** Takes in what happens. */
function collector({ choices, span }: Response) {
  const all: Choice[] = Array.from({ length: choices.count }, () => ({
    reasoning: '',
    content: '',
    logprobs: [],
    calls: [],
    finishReason: null,
    reasoningClosed: undefined,
  }));
  let left = choices.count;
  let started = false;
  return {
    all,
    get complete(): boolean {
      return left === 0;
    },
    started(queued: number): void {
      if (started) return;
      started = true;
      span.started(queued, choices.usage.input);
    },
    add(index: number, said: Said): Part {
      span.token();
      const choice = all[index]!;
      choice.reasoning += said.reasoning;
      choice.content += said.content;
      choice.logprobs.push(...said.logprobs);
      const calls = said.calls.map(({ index: at, name, args }) => {
        const call = name === undefined ? undefined : { id: `call_${randomUUID()}`, name, args: '' };
        if (call) choice.calls[at] = call;
        choice.calls[at]!.args += args;
        return { index: at, call, args };
      });
      return { ...said, calls };
    },
    finished(index: number, finishReason: string, reasoningClosed: boolean | undefined): void {
      Object.assign(all[index]!, { finishReason, reasoningClosed });
      if (--left > 0) return;
      const open = all.map((choice) => choice.reasoningClosed);
      span.answered({
        messages: all.map((choice) => ({ ...choice, finishReason: choice.finishReason! })),
        finishReasons: all.map((choice) => choice.finishReason!),
        reasoningClosed: open.includes(false) ? false : open[0],
      });
    },
  };
}

async function sendWhole(response: Response): Promise<void> {
  const { choices, shape, reply, span } = response;
  const collected = collector(response);
  try {
    for await (const { index, event } of choices) {
      if (event.type === 'started') collected.started(event.queued);
      else if (event.type === 'delta') collected.add(index, event);
      else collected.finished(index, event.finishReason, event.reasoningClosed);
    }
  } catch (error) {
    if (error instanceof ApiError) choices.cancel(error);
    throw error;
  }
  await span.written();
  void reply.type('application/json').send(shape.whole(collected.all, choices.usage));
}

async function sendStream(response: Response): Promise<void> {
  const { choices, shape, reply, span, includeUsage } = response;
  const events = new EventStream(reply.raw);
  const collected = collector(response);
  const begun = new Set<number>();
  const begins = (index: number) => !begun.has(index) && begun.add(index).has(index);
  try {
    for await (const { index, event } of choices) {
      if (event.type === 'started') {
        collected.started(event.queued);
        continue;
      }
      // From here on the answer is ours to write, event by event.
      if (!events.begun) {
        await span.firstChunk();
        takeOver(reply);
      }
      if (event.type === 'delta') {
        for (const part of shape.delta(index, collected.add(index, event), begins(index))) await events.send(part);
        continue;
      }
      collected.finished(index, event.finishReason, event.reasoningClosed);
      await events.send(shape.finish(index, event.finishReason, begins(index)));
      if (!collected.complete) continue;
      if (includeUsage) await events.send(shape.usage(choices.usage));
      await events.send('[DONE]');
      events.end();
    }
  } catch (error) {
    await breakOff(error, response, events);
  }
}

/** What fails before the first event is answered like any error; later an event says so, and the stream ends. */
async function breakOff(thrown: unknown, { choices, span }: Response, events: EventStream): Promise<void> {
  const gone = new ApiError(499, 'client_disconnected', 'The client is gone.');
  const reason = thrown instanceof ApiError ? thrown : gone;
  choices.cancel(reason);
  if (!events.begun) throw thrown;
  span.fail(reason, true);
  if (reason.errorType === 'client_disconnected') return;
  await events.send(reason.body()).catch(() => undefined);
  events.end();
}
