import { z } from 'zod';
import { BEGIN } from '../text/prompt.js';
import {
  commonBody,
  generationOf,
  integerWithin,
  manner,
  MOST_ANSWERS,
  optional,
  readBody,
  type AnswerRequest,
} from './body-schema.js';
import { invalidRequest } from '../errors.js';
import { TEXT_UNSUPPORTED } from './unsupported.js';

/** OpenAI's preset for this API. */
const MAX_TOKENS = 16;

const prompts = { error: `a text or a list of up to ${MOST_ANSWERS} texts is expected` };
const bodySchema = z.object(
  {
    ...commonBody,
    prompt: z.union([z.string(), z.array(z.string(prompts)).min(1, prompts).max(MOST_ANSWERS, prompts)], prompts),
    logprobs: optional(integerWithin(0, 5)),
  },
  { error: 'a JSON object is expected' },
);

/**
 * Reads the body of a request for completions: texts that the model goes on with, without R1's template.
 * @param served the model that is there
 * @throws ApiError that names the parameter at fault
 */
export function parseTextRequest(body: unknown, served: string): AnswerRequest {
  const given = readBody(bodySchema, body, served, TEXT_UNSUPPORTED);
  const texts = typeof given.prompt === 'string' ? [given.prompt] : given.prompt;
  if (texts.length * (given.n ?? 1) > MOST_ANSWERS)
    throw invalidRequest(`n is wrong: prompts times n may be ${MOST_ANSWERS} at most.`, 'n');
  const common = { ...generationOf(given), maxTokens: given.max_tokens ?? MAX_TOKENS };
  const generations = texts.map((text) => ({
    ...common,
    prompt: [{ special: BEGIN }, ...(text === '' ? [] : [{ text }])],
    primed: false,
    plain: true,
    ...(given.logprobs !== undefined && { logprobs: given.logprobs }),
  }));
  return {
    ...manner(given),
    messages: texts.map((content) => ({ role: 'user', content })),
    generation: generations[0]!,
    generations,
  };
}
