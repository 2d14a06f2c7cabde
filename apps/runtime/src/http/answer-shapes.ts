import type { Usage } from '../engine/protocol.js';

/** What OpenAI's API answers, with DeepSeek's `reasoning_content` beside `content`. */
export interface AnswerHead {
  id: string;
  /** Seconds since 1970. */
  created: number;
  model: string;
}

export function usageOf(usage: Usage) {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

export function completion(
  head: AnswerHead,
  answer: { reasoning: string; content: string; finishReason: string; usage: Usage },
) {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answer.content,
          reasoning_content: answer.reasoning,
          refusal: null,
        },
        logprobs: null,
        finish_reason: answer.finishReason,
      },
    ],
    usage: usageOf(answer.usage),
  };
}

/** One event of a stream. Where usage was asked for, every chunk but the last has it as null. */
export function chunk(
  head: AnswerHead,
  delta: { role?: 'assistant'; content?: string; reasoning_content?: string },
  finishReason: string | null,
  withUsage: boolean,
) {
  return {
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...(withUsage && { usage: null }),
  };
}

/** The last chunk of a stream that was asked for usage. */
export function usageChunk(head: AnswerHead, usage: Usage) {
  return {
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices: [],
    usage: usageOf(usage),
  };
}
