import type { AnswerLogprob, TokenLogprob, Usage } from '../engine/protocol.js';
import { KIND } from '../text/tools.js';
import type { Choice, IdentifiedCall, Shape } from './respond.js';

/** What OpenAI's API answers, with DeepSeek's `reasoning_content` beside `content`. */
export interface AnswerHead {
  id: string;
  /** Seconds since 1970. */
  created: number;
  model: string;
}

export interface ShapeOptions {
  /** Where usage was asked for, every chunk but the last has it as null. */
  includeUsage: boolean;
  /** Probabilities were asked for. */
  logprobs: boolean;
}

export function usageOf(usage: Usage) {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

/** `/v1/chat/completions`. */
export function chatShape(head: AnswerHead, { includeUsage, logprobs }: ShapeOptions): Shape {
  const probabilities = (entries: readonly AnswerLogprob[]) =>
    logprobs ? { content: entries.map(chatLogprob), refusal: null } : null;
  const chunk = (choices: readonly unknown[], usage: unknown = null) => ({
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices,
    ...(includeUsage && { usage }),
  });
  const choice = (
    index: number,
    delta: object,
    { begins, entries, finishReason }: { begins: boolean; entries?: readonly AnswerLogprob[]; finishReason?: string },
  ) =>
    chunk([
      {
        index,
        delta: { ...(begins && { role: 'assistant' }), ...delta },
        logprobs: entries ? probabilities(entries) : null,
        finish_reason: finishReason ?? null,
      },
    ]);
  return {
    whole: (choices, usage) => ({
      id: head.id,
      object: 'chat.completion',
      created: head.created,
      model: head.model,
      choices: choices.map((answer, index) => ({
        index,
        message: {
          role: 'assistant',
          content: answer.content === '' && answer.calls.length > 0 ? null : answer.content,
          reasoning_content: answer.reasoning,
          refusal: null,
          ...(answer.calls.length > 0 && { tool_calls: answer.calls.map((call) => toolCall(call, call.args)) }),
        },
        logprobs: probabilities(answer.logprobs),
        finish_reason: answer.finishReason,
      })),
      usage: usageOf(usage),
    }),
    delta: (index, { reasoning, content, logprobs: entries, calls }, begins) => {
      const parts: unknown[] = [];
      if (reasoning !== '') parts.push(choice(index, { reasoning_content: reasoning }, { begins }));
      if (content !== '' || entries.length > 0)
        parts.push(choice(index, { content }, { begins: begins && parts.length === 0, entries }));
      for (const { index: at, call, args } of calls) {
        const piece = call ? toolCall(call, args) : { function: { arguments: args } };
        parts.push(choice(index, { tool_calls: [{ index: at, ...piece }] }, { begins: begins && parts.length === 0 }));
      }
      return parts;
    },
    finish: (index, finishReason, begins) => choice(index, {}, { begins, finishReason }),
    usage: (usage) => chunk([], usageOf(usage)),
  };
}

/** `/v1/completions`. */
export function textShape(head: AnswerHead, { includeUsage, logprobs }: ShapeOptions): Shape {
  const body = (choices: readonly unknown[], usage: unknown) => ({
    id: head.id,
    object: 'text_completion',
    created: head.created,
    model: head.model,
    choices,
    ...(usage !== undefined && { usage }),
  });
  /** Length of what was told before, by answer, for the offsets. */
  const told: number[] = [];
  const choice = (index: number, text: string, entries: readonly AnswerLogprob[], finishReason: string | null) => {
    const from = told[index] ?? 0;
    told[index] = from + entries.reduce((sum, { token }) => sum + token.length, 0);
    return { index, text, logprobs: logprobs ? textLogprobs(entries, from) : null, finish_reason: finishReason };
  };
  const chunk = (one: unknown) => body([one], includeUsage ? null : undefined);
  return {
    whole: (choices, usage) =>
      body(
        choices.map((answer: Choice, index) => choice(index, answer.content, answer.logprobs, answer.finishReason)),
        usageOf(usage),
      ),
    delta: (index, { content, logprobs: entries }) => [chunk(choice(index, content, entries, null))],
    finish: (index, finishReason) => chunk(choice(index, '', [], finishReason)),
    usage: (usage) => body([], usageOf(usage)),
  };
}

const toolCall = ({ id, name }: IdentifiedCall, args: string) => ({
  id,
  type: KIND,
  function: { name, arguments: args },
});

const tokenLogprob = ({ token, logprob, bytes }: TokenLogprob) => ({ token, logprob, bytes });

const chatLogprob = (entry: AnswerLogprob) => ({
  ...tokenLogprob(entry),
  top_logprobs: entry.top.map(tokenLogprob),
});

/** Tokens that are no whole characters print alike: OpenAI names them by their bytes. */
const nameOf = ({ token, bytes }: TokenLogprob): string =>
  token.includes('\uFFFD')
    ? `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
    : token;

function textLogprobs(entries: readonly AnswerLogprob[], from: number) {
  let offset = from;
  return {
    tokens: entries.map(({ token }) => token),
    token_logprobs: entries.map(({ logprob }) => logprob),
    top_logprobs: entries.map(({ top }) => Object.fromEntries(top.map((one) => [nameOf(one), one.logprob]))),
    text_offset: entries.map(({ token }) => (offset += token.length) - token.length),
  };
}
