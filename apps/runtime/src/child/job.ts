import type { Token } from 'node-llama-cpp';
import type { AnswerLogprob, Sampling } from '../engine/protocol.js';

/** One answer to be computed. */
export interface Job {
  id: number;
  prompt: readonly Token[];
  sampling: Sampling;
  /** The same prompt and seed must give the same text, whatever is kept of earlier answers. */
  reproducible: boolean;
  /** And that even where it costs most of what a batch saves. */
  seeded: boolean;
  /** For each token so many of the likeliest in its place are told; undefined for none. */
  logprobs: number | undefined;
  /** The next token must follow this grammar; asked before each. */
  grammar(): object | undefined;
  /** A part of the prompt, of so many tokens, was read or was still there. */
  onPrefilled(tokens: number): void;
  /**
   * Takes each token as it comes.
   * @returns the token to go on from, which may be another; undefined ends the job
   */
  onToken(token: Token, logprob: AnswerLogprob | undefined): Token | undefined;
  /** The job is over without having ended by itself, and its sequence is free. */
  onEnd(how: 'cancelled' | Error): void;
}

/** Its grammar can be read in so many ways that a token takes too long. */
export class GrammarError extends Error {
  override readonly name = 'GrammarError';
}

/** A step failed twice with the same job in it. */
export class OutOfMemoryError extends Error {
  override readonly name = 'OutOfMemoryError';
}
