import { randomInt } from 'node:crypto';
import { z } from 'zod';
import type { GenerationRequest } from '../engine/protocol.js';
import { ApiError, invalidRequest } from '../errors.js';
import { renderPrompt, type Message } from '../text/prompt.js';
import { describeIssue } from './issues.js';
import { unsupported } from './unsupported.js';

/** A request for an answer, in order. */
export interface ChatRequest {
  model: string;
  messages: Message[];
  stream: boolean;
  includeUsage: boolean;
  conversationId: string | undefined;
  generation: GenerationRequest;
}

const SEEDS = 2 ** 32;
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);
const numberWithin = (min: number, max: number) => {
  const error = `a number from ${min} to ${max} is expected`;
  return optional(z.number({ error }).min(min, { error }).max(max, { error }));
};
const tokens = () => {
  const error = 'a whole number of at least 1 is expected';
  return optional(z.int({ error }).min(1, { error }));
};

const textPart = z.object({
  type: z.literal('text', { error: 'only parts of type "text" are understood' }),
  text: z.string({ error: 'a text is expected' }),
});
const messageSchema = z.object(
  {
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool'], {
      error: 'one of system, developer, user, assistant, tool is expected',
    }),
    content: z
      .union([z.string(), z.array(textPart), z.null()], { error: 'a text or a list of text parts is expected' })
      .optional(),
  },
  { error: 'an object with role and content is expected' },
);

const bodySchema = z.object(
  {
    model: z.string({ error: 'the name of a model is expected' }),
    messages: z
      .array(messageSchema, { error: 'a list of messages is expected' })
      .min(1, { error: 'at least one message is expected' }),
    stream: optional(z.boolean({ error: 'true or false is expected' })),
    stream_options: optional(
      z.object(
        { include_usage: optional(z.boolean({ error: 'true or false is expected' })) },
        {
          error: 'an object is expected',
        },
      ),
    ),
    max_tokens: tokens(),
    max_completion_tokens: tokens(),
    temperature: numberWithin(0, 2),
    top_p: numberWithin(0, 1),
    top_k: optional(z.int({ error: 'a whole number is expected' }).min(-1, { error: 'at least -1 is expected' })),
    min_p: numberWithin(0, 1),
    frequency_penalty: numberWithin(-2, 2),
    presence_penalty: numberWithin(-2, 2),
    seed: optional(z.int({ error: 'a whole number is expected' })),
    stop: optional(
      z.union(
        [
          z.string(),
          z.array(z.string().min(1, { error: 'an empty text can not end an answer' })).max(4, {
            error: 'at most 4 texts are expected',
          }),
        ],
        { error: 'a text or a list of up to 4 texts is expected' },
      ),
    ),
    // As vLLM and llama-server have it.
    ignore_eos: optional(z.boolean({ error: 'true or false is expected' })),
    metadata: optional(z.record(z.string(), z.unknown(), { error: 'an object is expected' })),
  },
  { error: 'a JSON object is expected' },
);

/**
 * Reads the body of a request.
 * @param served the model that is there
 * @param reasons it opens its answers with reasoning
 * @throws ApiError that names the parameter at fault
 */
export function parseChatRequest(body: unknown, served: string, reasons: boolean): ChatRequest {
  const result = bodySchema.safeParse(body);
  if (!result.success) {
    const { message, param } = describeIssue(result.error.issues[0]!);
    throw invalidRequest(message, param);
  }
  const given = result.data;
  if (given.model !== served)
    throw new ApiError(
      404,
      'model_not_found',
      `There is no model ${JSON.stringify(given.model.slice(0, 200))} here; this server has ${JSON.stringify(served)}.`,
      { param: 'model' },
    );
  const param = unsupported(body as Record<string, unknown>);
  if (param)
    throw new ApiError(400, 'unsupported_parameter', `${param} is not supported by this server. Leave it out.`, {
      param,
    });
  const messages = given.messages.map(({ role, content }) => ({ role, content: textOf(content) }));
  const stop = typeof given.stop === 'string' ? [given.stop] : (given.stop ?? []);
  const id = given.metadata?.conversation_id;
  return {
    model: served,
    messages,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
    conversationId: typeof id === 'string' ? id : undefined,
    generation: {
      prompt: renderPrompt(messages, reasons),
      primed: reasons,
      // What DeepSeek advises for R1.
      sampling: {
        temperature: given.temperature ?? 0.6,
        topP: given.top_p ?? 0.95,
        topK: Math.max(given.top_k ?? 0, 0),
        minP: given.min_p ?? 0,
        frequencyPenalty: given.frequency_penalty ?? 0,
        presencePenalty: given.presence_penalty ?? 0,
        seed: given.seed === undefined ? randomInt(SEEDS - 1) : toSeed(given.seed),
      },
      maxTokens: given.max_completion_tokens ?? given.max_tokens,
      stop: stop.filter((text) => text !== ''),
      ignoreEnd: given.ignore_eos ?? false,
      reproducible: given.seed !== undefined || given.temperature === 0,
    },
  };
}

/** Any whole number, folded into what llama.cpp takes; its own highest means "random" there. */
export function toSeed(seed: number): number {
  return Number(BigInt.asUintN(32, BigInt(seed))) % (SEEDS - 1);
}

function textOf(content: string | { text: string }[] | null | undefined): string {
  if (content === null || content === undefined) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}
