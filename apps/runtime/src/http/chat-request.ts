import { z } from 'zod';
import { invalidRequest } from '../errors.js';
import { anyObjectGrammar, schemaGrammar } from '../text/json-grammar.js';
import { SchemaError } from '../text/json-schema.js';
import { renderPrompt, type Manner, type Message } from '../text/prompt.js';
import {
  commonBody,
  generationOf,
  integerWithin,
  manner,
  optional,
  readBody,
  tokens,
  tooLarge,
  type AnswerRequest,
} from './body-schema.js';
import { callsSchema, readTools, toCalls, toolBody } from './tool-request.js';
import { CHAT_UNSUPPORTED, TOOLS_UNSUPPORTED } from './unsupported.js';

/** A request for a chat's answer, in order. */
export type ChatRequest = AnswerRequest;

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
    tool_calls: callsSchema,
  },
  { error: 'an object with role and content is expected' },
);

const formatSchema = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object(
        { schema: z.record(z.string(), z.unknown(), { error: 'a JSON Schema is expected' }).optional() },
        { error: 'an object with a schema is expected' },
      ),
    }),
  ],
  { error: 'an object whose type is text, json_object or json_schema is expected' },
);
type Format = z.output<typeof formatSchema>;

const bodySchema = z.object(
  {
    ...commonBody,
    messages: z
      .array(messageSchema, { error: 'a list of messages is expected' })
      .min(1, { error: 'at least one message is expected' }),
    max_completion_tokens: tokens(),
    logprobs: optional(z.boolean({ error: 'true or false is expected' })),
    top_logprobs: integerWithin(0, 20),
    response_format: optional(formatSchema),
    ...toolBody,
  },
  { error: 'a JSON object is expected' },
);

/**
 * Reads the body of a request.
 * @param served the model that is there
 * @throws ApiError that names the parameter at fault
 */
export function parseChatRequest(body: unknown, served: string, model: Manner): ChatRequest {
  const unsupported = model.callsTools ? CHAT_UNSUPPORTED : { ...TOOLS_UNSUPPORTED, ...CHAT_UNSUPPORTED };
  const given = readBody(bodySchema, body, served, unsupported);
  if (given.top_logprobs !== undefined && given.top_logprobs > 0 && !given.logprobs)
    throw invalidRequest('top_logprobs is wrong: logprobs must be true with it.', 'top_logprobs');
  const messages = given.messages.map(({ role, content, tool_calls: calls }): Message => ({
    role,
    content: textOf(content),
    toolCalls: toCalls(calls),
  }));
  const grammar = grammarOf(given.response_format);
  const { tools, use } = readTools(given);
  if (grammar !== undefined && use !== undefined)
    throw invalidRequest('response_format is wrong: it can not be had together with tools.', 'response_format');
  const { segments, primed } = renderPrompt(messages, model, tools);
  const generation = {
    ...generationOf(given),
    prompt: segments,
    primed,
    maxTokens: given.max_completion_tokens ?? given.max_tokens,
    ...(given.logprobs && { logprobs: given.top_logprobs ?? 0 }),
    ...(grammar !== undefined && { grammar }),
    ...(use && { tools: use }),
  };
  return { ...manner(given), messages, generation, generations: [generation] };
}

function grammarOf(format: Format | undefined): string | undefined {
  if (format === undefined || format.type === 'text') return undefined;
  if (format.type === 'json_object') return anyObjectGrammar();
  const { schema } = format.json_schema;
  const param = 'response_format.json_schema.schema';
  if (schema === undefined) return anyObjectGrammar();
  const large = tooLarge(schema);
  if (large !== undefined) throw invalidRequest(`${param} is wrong: ${large}.`, param);
  try {
    return schemaGrammar(schema);
  } catch (error) {
    if (error instanceof SchemaError) throw invalidRequest(`${param} is wrong: ${error.message}.`, param);
    throw error;
  }
}

function textOf(content: string | { text: string }[] | null | undefined): string {
  if (content === null || content === undefined) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}
