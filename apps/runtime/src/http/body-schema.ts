import { randomInt } from 'node:crypto';
import { z } from 'zod';
import type { GenerationRequest } from '../engine/protocol.js';
import { ApiError, invalidRequest } from '../errors.js';
import type { Message } from '../text/prompt.js';
import { describeIssue } from './issues.js';
import { unsupported, type Unsupported } from './unsupported.js';

/** A request for answers, in order. */
export interface AnswerRequest {
  model: string;
  /** What was asked, for the span. */
  messages: Message[];
  stream: boolean;
  includeUsage: boolean;
  conversationId: string | undefined;
  /** As the client gave it. */
  seed: number | undefined;
  /** Answers to each prompt. */
  n: number;
  /** The first prompt. */
  generation: GenerationRequest;
  /** All prompts. */
  generations: GenerationRequest[];
}

const SEEDS = 2 ** 32;
export const MOST_ANSWERS = 16;
/** Characters of JSON; a schema larger than this is none that a person wrote. */
const LARGEST_SCHEMA = 64 * 1024;

/** Why schemas can not be taken as they are; undefined where they can. */
export function tooLarge(schemas: unknown): string | undefined {
  try {
    if (JSON.stringify(schemas).length <= LARGEST_SCHEMA) return undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return 'it is nested too deeply';
  }
  return `it is larger than ${LARGEST_SCHEMA} characters`;
}

export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);
const wholeNumber = { error: 'a whole number is expected' };
const yesOrNo = () => optional(z.boolean({ error: 'true or false is expected' }));

export const numberWithin = (min: number, max: number) => {
  const error = `a number from ${min} to ${max} is expected`;
  return optional(z.number({ error }).min(min, { error }).max(max, { error }));
};
export const integerWithin = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max} is expected`;
  return optional(z.int({ error }).min(min, { error }).max(max, { error }));
};
export const tokens = () => {
  const error = 'a whole number of at least 1 is expected';
  return optional(z.int({ error }).min(1, { error }));
};

/** What both of OpenAI's APIs have. */
export const commonBody = {
  model: z.string({ error: 'the name of a model is expected' }),
  n: integerWithin(1, MOST_ANSWERS),
  stream: yesOrNo(),
  stream_options: optional(z.object({ include_usage: yesOrNo() }, { error: 'an object is expected' })),
  max_tokens: tokens(),
  temperature: numberWithin(0, 2),
  top_p: numberWithin(0, 1),
  top_k: optional(z.int(wholeNumber).min(-1, { error: 'at least -1 is expected' })),
  min_p: numberWithin(0, 1),
  frequency_penalty: numberWithin(-2, 2),
  presence_penalty: numberWithin(-2, 2),
  seed: optional(z.int(wholeNumber)),
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
  ignore_eos: yesOrNo(),
  metadata: optional(z.record(z.string(), z.unknown(), { error: 'an object is expected' })),
};
const commonSchema = z.object(commonBody);
type Common = z.output<typeof commonSchema>;

/**
 * Reads the body of a request.
 * @param served the model that is there
 * @throws ApiError that names the parameter at fault
 */
export function readBody<S extends z.ZodType<Common>>(
  schema: S,
  body: unknown,
  served: string,
  asked: Unsupported,
): z.output<S> {
  const result = schema.safeParse(body);
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
  const param = unsupported(asked, body as Record<string, unknown>);
  if (param)
    throw new ApiError(400, 'unsupported_parameter', `${param} is not supported by this server. Leave it out.`, {
      param,
    });
  return given;
}

/** What both APIs say of how tokens are chosen, and of when it ends. */
export function generationOf(given: Common): Omit<GenerationRequest, 'prompt' | 'primed'> {
  const stop = typeof given.stop === 'string' ? [given.stop] : (given.stop ?? []);
  return {
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
    maxTokens: given.max_tokens,
    stop: stop.filter((text) => text !== ''),
    ignoreEnd: given.ignore_eos ?? false,
    reproducible: given.seed !== undefined || given.temperature === 0,
    seeded: given.seed !== undefined,
  };
}

/** What both APIs say of how the answer is told. */
export function manner(
  given: Common,
): Pick<AnswerRequest, 'model' | 'stream' | 'includeUsage' | 'conversationId' | 'seed' | 'n'> {
  const id = given.metadata?.conversation_id;
  return {
    model: given.model,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
    conversationId: typeof id === 'string' ? id : undefined,
    seed: given.seed,
    n: given.n ?? 1,
  };
}

/** Any whole number, folded into what llama.cpp takes; its own highest means "random" there. */
export function toSeed(seed: number): number {
  return Number(BigInt.asUintN(32, BigInt(seed))) % (SEEDS - 1);
}
