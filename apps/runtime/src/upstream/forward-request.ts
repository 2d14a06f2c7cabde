import { z } from 'zod';
import { invalidRequest } from '../errors.js';
import { describeIssue } from '../http/issues.js';
import type { Asked } from '../telemetry/request-span.js';
import type { Message } from '../text/prompt.js';

export type Operation = 'chat' | 'text_completion';

/** A request that is passed on as it is; only what this server itself must know is checked. */
export interface ForwardRequest {
  body: Readonly<Record<string, unknown>>;
  model: string;
  asked: Asked;
}

const flag = z.boolean({ error: 'true or false is expected' }).nullish();
const common = {
  model: z.string({ error: 'the name of a model is expected' }).min(1, { error: 'the name of a model is expected' }),
  stream: flag,
  stream_options: z.looseObject({ include_usage: flag }, { error: 'an object is expected' }).nullish(),
};
const SCHEMAS = {
  chat: z.looseObject(
    {
      ...common,
      messages: z
        .array(z.looseObject({}, { error: 'an object with role and content is expected' }), {
          error: 'a list of messages is expected',
        })
        .min(1, { error: 'at least one message is expected' }),
    },
    { error: 'a JSON object is expected' },
  ),
  text_completion: z.looseObject(
    { ...common, prompt: z.union([z.string(), z.array(z.unknown())], { error: 'a text or a list is expected' }) },
    { error: 'a JSON object is expected' },
  ),
};

/**
 * Reads what this server must know of a request. Everything else is the upstream's to judge.
 * @throws ApiError that names the parameter at fault
 */
export function parseForwardRequest(body: unknown, operation: Operation): ForwardRequest {
  const result = SCHEMAS[operation].safeParse(body);
  if (!result.success) {
    const { message, param } = describeIssue(result.error.issues[0]!);
    throw invalidRequest(message, param);
  }
  const given = body as Record<string, unknown>;
  const { stop, metadata } = given;
  const id = (metadata as Record<string, unknown> | null | undefined)?.conversation_id;
  return {
    body: given,
    model: result.data.model,
    asked: {
      stream: result.data.stream ?? false,
      temperature: finite(given.temperature),
      topP: finite(given.top_p),
      topK: finite(given.top_k),
      frequencyPenalty: finite(given.frequency_penalty),
      presencePenalty: finite(given.presence_penalty),
      seed: finite(given.seed),
      n: finite(given.n),
      json: String((given.response_format as { type?: unknown } | null | undefined)?.type).startsWith('json'),
      maxTokens: finite(given.max_completion_tokens) ?? finite(given.max_tokens),
      stop: (Array.isArray(stop) ? stop : [stop]).filter((text) => typeof text === 'string').slice(0, 16),
      conversationId: typeof id === 'string' ? id : undefined,
      messages: operation === 'chat' ? messagesOf(given.messages as Record<string, unknown>[]) : promptOf(given.prompt),
    },
  };
}

const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

const ROLES: readonly string[] = ['system', 'developer', 'user', 'assistant', 'tool'];

/** The texts of messages, for the span; pictures and sounds are left out. */
function messagesOf(messages: readonly Record<string, unknown>[]): Message[] {
  return messages.map(({ role, content }) => ({
    role: (ROLES.includes(role as string) ? role : 'user') as Message['role'],
    content: textOf(content),
  }));
}

function promptOf(prompt: unknown): Message[] {
  const texts = (Array.isArray(prompt) ? prompt : [prompt]).filter((text) => typeof text === 'string');
  return texts.map((content) => ({ role: 'user', content }));
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as ({ text?: unknown } | null)[])
    .map((part) => part?.text)
    .filter((text) => typeof text === 'string')
    .join('\n');
}
