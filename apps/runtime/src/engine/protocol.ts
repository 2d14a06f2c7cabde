import type { Segment } from '../text/prompt.js';
import type { ToolCallPiece } from '../text/tool-calls.js';

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
  /** Go on after the token that ends an answer, for measurements; the loop guard is off then. */
  ignoreEnd: boolean;
  /** The same request gives the same text; less is kept of earlier answers then. */
  reproducible: boolean;
  /** A seed was named: the same text even where that costs most of what a batch saves. */
  seeded: boolean;
  /** A grammar in GBNF that the answer, not the reasoning, must follow. */
  grammar?: string;
  /** Tools that may be called. */
  tools?: ToolUse;
  /** For each token of the answer, so many of the likeliest tokens in its place (0 to 20) are told with it. */
  logprobs?: number;
  /** Reasoning and answer are not told apart: everything is content. */
  plain?: boolean;
}

export interface ToolUse {
  /** A grammar in GBNF of one call, from the tool's name to the end of its arguments. */
  grammar: string;
  /** One must be called, once the reasoning is closed. */
  required: boolean;
  /** More than one may be called in one answer. */
  parallel: boolean;
}

/** A token of the answer with its probability, before temperature and cuts. */
export interface TokenLogprob {
  token: string;
  /** Natural logarithm. */
  logprob: number;
  bytes: number[];
}

export interface AnswerLogprob extends TokenLogprob {
  top: TokenLogprob[];
}

/** What is done when the same block comes again and again at the end of an answer. */
export type LoopGuard = 'off' | 'report' | 'stop';

/** Numbers of one step of the scheduler. */
export interface StepRecord {
  /** How long it took. */
  seconds: number;
  /** Sequences that got their next token. */
  rows: number;
  /** Tokens that were computed: one for each of them, and pieces of prompts. */
  tokens: number;
}

export type LimitReason = 'start' | 'fast' | 'slow' | 'memory';

/** What the scheduler did since it last told. */
export interface SchedulerStats {
  /** Requests that are answered at once. */
  limit: number;
  changes: LimitReason[];
  steps: StepRecord[];
  /** Tokens of prompts that were still there from an earlier turn. */
  reused: number;
  /** Steps that failed for want of memory, or of which it is assumed. */
  outOfMemory: number;
  /** Share of all cells that hold tokens, kept ones included, 0 to 1. */
  cellsUsed: number;
}

export interface LoadOptions {
  /** The path of a GGUF file whose header was checked. */
  path: string;
  gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | 'none';
  /** Layers of the model that go to the GPU; `auto` is as many as find room beside the context. */
  gpuLayers: number | 'auto';
  /** Processor threads; 0 chooses by the model and the machine. */
  threads: number;
  /** Tokens a sequence. */
  contextSize: number;
  /** Sequences; 0 is as many as memory takes, at most `batch.max`. */
  sequences: number;
  /** No more than these, as more were too much before; then `sequences` is no demand any more. */
  ceiling?: number;
  /** How many sequences are decoded together; `targetSeconds` is what a step is to take. */
  batch: { min: number; max: number; targetSeconds: number };
  kvCacheType: 'f16' | 'q8_0';
  flashAttention: boolean;
  /** Tokens after which reasoning is closed; 0 is never. */
  reasoningBudget: number;
  loopGuard: LoopGuard;
}

/** What a model turned out to be, once loaded. */
export interface ModelInfo {
  /** Tokens that prompt and answer may have together. */
  contextSize: number;
  /** It knows `<think>` and `</think>` as tokens. */
  reasons: boolean;
  /** It knows DeepSeek's tokens for users and assistants. */
  speaksDeepSeek: boolean;
  /** It knows DeepSeek's tokens for calls of tools. */
  callsTools: boolean;
  /** Requests that can be answered at once, at most. */
  sequences: number;
  /** Requests that are answered at once to begin with. */
  limit: number;
  /** Estimated bytes of weights, and of all sequences with what computing takes. */
  memory: { model: number; context: number };
  /** What it is computed on: `cuda`, `vulkan`, `metal` or `cpu`. */
  device: string;
}

export type FinishReason = 'stop' | 'length' | 'repetition' | 'tool_calls';

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
export type AnswerMessage =
  | { type: 'started'; id: number; inputTokens: number }
  /** A part of the prompt was read: a sign of life. */
  | { type: 'prefilled'; id: number; tokens: number }
  | {
      type: 'delta';
      id: number;
      reasoning: string;
      content: string;
      output: number;
      reasoningTokens: number;
      logprobs?: AnswerLogprob[];
      calls?: ToolCallPiece[];
    }
  | {
      type: 'done';
      id: number;
      finishReason: FinishReason;
      usage: Usage;
      reasoningClosed: boolean | undefined;
      /** The reasoning budget was spent. */
      reasoningCut: boolean;
      /** The loop guard saw a loop, whether it ended the answer or not. */
      looped: boolean;
    }
  | { type: 'refused'; id: number; inputTokens: number }
  | { type: 'failed'; id: number; reason: 'engine_error' | 'out_of_memory' | 'bad_grammar'; message: string }
  | { type: 'cancelled'; id: number };

export type FromChild =
  | { type: 'loaded'; info: ModelInfo }
  /** `sentence`: the message says all, advice included. */
  | { type: 'load-failed'; message: string; sentence?: boolean }
  | { type: 'load-progress'; ratio: number }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; message: string }
  /** What came of one step, in order. */
  | { type: 'answers'; messages: AnswerMessage[]; stats: SchedulerStats | undefined };
