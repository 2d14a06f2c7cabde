import { splitReasoning } from './reasoning.js';
import { repetition } from './repetition.js';
import { tokenize } from './tokens.js';

/** One answer of a model, with what is known of it; `null` where it is not. */
export interface Turn {
  /** Text of the reasoning, apart from the answer. */
  reasoning: string | null;
  /** Text after the reasoning. With `reasoning` null it may hold raw output with `<think>` tags, and is parted. */
  answer: string | null;
  /** Whether `</think>` was seen, from who saw the tokens; it outweighs what the texts look like. */
  reasoningClosed?: boolean | null;
  /** OpenAI's `stop`, `length`, `tool_calls`, and other makers' words for them. */
  finishReason: string | null;
  /** Generated tokens, reasoning among them. */
  outputTokens: number | null;
  reasoningTokens: number | null;
}

/** What can be said of one answer without a judge. Shares from 0 to 1; `null` where it can't be said. */
export interface TurnScores {
  /** The answer reasoned and ended without closing its reasoning; `null` where it did not reason. */
  unclosedReasoning: boolean | null;
  /** No answer text after the reasoning. A call of a tool is an answer. */
  emptyAnswer: boolean | null;
  /** The model was stopped at the limit of tokens. */
  truncated: boolean | null;
  /** rep-4 of the answer. */
  repetition: number | null;
  /** rep-4 of the reasoning. */
  reasoningRepetition: number | null;
  /** Reasoning tokens / output tokens. */
  reasoningShare: number | null;
}

const TRUNCATED = new Set(['length', 'max_tokens', 'max_length']);
const TOOLS = new Set(['tool_calls', 'tool_call', 'tool_use', 'function_call']);

/** Scores one answer. Linear in its texts. */
export function scoreTurn(turn: Turn): TurnScores {
  const { reasoning, answer, closed } = parts(turn);
  const finish = turn.finishReason?.toLowerCase() ?? null;
  const empty = answer === null ? null : answer.trim() === '' && !(finish !== null && TOOLS.has(finish));
  return {
    unclosedReasoning: unclosed(turn, reasoning, empty, closed),
    emptyAnswer: empty,
    truncated: finish === null ? null : TRUNCATED.has(finish),
    repetition: answer === null ? null : repetition(tokenize(answer)),
    reasoningRepetition: reasoning === null ? null : repetition(tokenize(reasoning)),
    reasoningShare: share(turn.reasoningTokens, turn.outputTokens),
  };
}

function parts(turn: Turn): { reasoning: string | null; answer: string | null; closed: boolean | null } {
  const closed = turn.reasoningClosed ?? null;
  if (turn.reasoning !== null || turn.answer === null)
    return { reasoning: turn.reasoning, answer: turn.answer, closed };
  const split = splitReasoning(turn.answer);
  return { ...split, closed: closed ?? split.closed };
}

function unclosed(turn: Turn, reasoning: string | null, empty: boolean | null, closed: boolean | null): boolean | null {
  if (closed !== null) return !closed;
  const reasoned = (reasoning ?? '').trim() !== '' || (turn.reasoningTokens ?? 0) > 0;
  if (!reasoned) return null;
  // An engine that parts the two itself has put everything up to the end into the reasoning when no tag came.
  return empty;
}

/** A maker that counts reasoning beside the output, so that it can exceed it, has no share to tell. */
function share(part: number | null, whole: number | null): number | null {
  if (part === null || whole === null || !(part >= 0) || !(whole > 0) || part > whole) return null;
  return part / whole;
}
