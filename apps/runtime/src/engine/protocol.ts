import type { Segment } from '../text/prompt.js';

/** How to choose tokens. Ranges as OpenAI has them. */
export interface Sampling {
  /** 0 is greedy. */
  temperature: number;
  topP: number;
  /** 0 is no limit. */
  topK: number;
  minP: number;
  frequencyPenalty: number;
  presencePenalty: number;
  /** 0 to 2^32 - 2; the same seed gives the same text. */
  seed: number;
}

export interface GenerationRequest {
  prompt: Segment[];
  /** The prompt ends with `<think>`. */
  primed: boolean;
  sampling: Sampling;
  /** Tokens; undefined is as far as the context reaches. */
  maxTokens: number | undefined;
  stop: string[];
  /** Go on after the token that ends an answer, for measurements. */
  ignoreEnd: boolean;
}

export interface LoadOptions {
  /** The path of a GGUF file whose header was checked. */
  path: string;
  gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | 'none';
  /** Processor threads. */
  threads: number;
  /** Tokens a sequence. */
  contextSize: number;
  sequences: number;
}

/** What a model turned out to be, once loaded. */
export interface ModelInfo {
  /** Tokens that prompt and answer may have together. */
  contextSize: number;
  /** It knows `<think>` and `</think>` as tokens. */
  reasons: boolean;
  /** It knows DeepSeek's tokens for users and assistants. */
  speaksDeepSeek: boolean;
  /** What it is computed on: `cuda`, `vulkan`, `metal` or `cpu`. */
  device: string;
}

export type FinishReason = 'stop' | 'length';

/** Tokens; `output` counts reasoning and the token that ends the answer as well. */
export interface Usage {
  input: number;
  output: number;
  reasoning: number;
}

export type ToChild =
  | { type: 'load'; options: LoadOptions }
  | { type: 'generate'; id: number; request: GenerationRequest }
  | { type: 'cancel'; id: number };

/** Each `generate` is ended by exactly one of `done`, `refused`, `failed` and `cancelled`. */
export type FromChild =
  | { type: 'loaded'; info: ModelInfo }
  | { type: 'load-failed'; message: string }
  | { type: 'load-progress'; ratio: number }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; message: string }
  | { type: 'started'; id: number; inputTokens: number }
  /** A part of the prompt was read: a sign of life. */
  | { type: 'prefilled'; id: number; tokens: number }
  | { type: 'delta'; id: number; reasoning: string; content: string; output: number; reasoningTokens: number }
  | { type: 'done'; id: number; finishReason: FinishReason; usage: Usage; reasoningClosed: boolean | undefined }
  | { type: 'refused'; id: number; inputTokens: number }
  | { type: 'failed'; id: number; message: string }
  | { type: 'cancelled'; id: number };
