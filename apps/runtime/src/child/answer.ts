import type { Token } from 'node-llama-cpp';
import type { AnswerLogprob, AnswerMessage, GenerationRequest, LoopGuard } from '../engine/protocol.js';
import { AnswerStream, type Piece } from '../text/answer-stream.js';
import { LoopGuard as Guard } from '../text/loop-guard.js';
import type { ToolCallPiece, ToolTokens } from '../text/tool-calls.js';
import { GrammarError, OutOfMemoryError, type Job } from './job.js';
import { ToolSteering } from './tool-steering.js';

export interface AnswerOptions {
  id: number;
  request: GenerationRequest;
  prompt: readonly Token[];
  /** Most tokens of the answer. */
  limit: number;
  tokenize(text: string): readonly Token[];
  detokenize(tokens: readonly Token[], before: readonly Token[]): string;
  isEnd(token: Token): boolean;
  thinkBegin: Token | undefined;
  thinkEnd: Token | undefined;
  toolTokens: ToolTokens<Token> | undefined;
  /** A new state of the grammar that the answer, or each call of a tool, must follow. */
  grammar: (() => object) | undefined;
  /** Tokens after which reasoning is closed; 0 is never. */
  reasoningBudget: number;
  loopGuard: LoopGuard;
  tell(message: AnswerMessage): void;
}

/** One answer's way from tokens to what the client reads, and all that can end it. */
export function answerJob(options: AnswerOptions): Job {
  const { id, request, prompt, limit, tell, thinkEnd, reasoningBudget } = options;
  const answer = new AnswerStream<Token>({
    detokenize: (tokens, before) => options.detokenize(tokens, before),
    thinkBegin: request.plain ? undefined : options.thinkBegin,
    thinkEnd: request.plain ? undefined : thinkEnd,
    primed: request.primed,
    verbatim: request.plain ?? false,
    stop: request.stop,
  });
  const tools =
    request.tools && options.toolTokens
      ? new ToolSteering({ ...options, use: request.tools, tokens: options.toolTokens, grammar: options.grammar! })
      : undefined;
  const answerGrammar = request.grammar === undefined ? undefined : options.grammar?.();
  const guard = options.loopGuard === 'off' || request.ignoreEnd ? undefined : new Guard();
  let reasoningCut = false;
  let looped = false;
  let held: AnswerLogprob[] = [];

  const delta = (piece: Piece, logprobs: AnswerLogprob[] = [], calls: readonly ToolCallPiece[] = []) => {
    const { output, reasoning: reasoningTokens } = answer.tokens;
    tell({
      type: 'delta',
      id,
      reasoning: piece.reasoning,
      content: piece.content,
      output,
      reasoningTokens,
      ...(logprobs.length > 0 && { logprobs }),
      ...(calls.length > 0 && { calls: [...calls] }),
    });
  };
  const done = (by: 'end' | 'stop' | 'length' | 'repetition'): undefined => {
    if (by !== 'stop') {
      const piece = answer.flush();
      const calls = tools?.flush() ?? [];
      if (piece.reasoning !== '' || piece.content !== '' || held.length > 0 || calls.length > 0)
        delta(piece, held, calls);
    }
    const { output, reasoning } = answer.tokens;
    const ended = tools?.called ? 'tool_calls' : 'stop';
    tell({
      type: 'done',
      id,
      finishReason: by === 'end' ? ended : by,
      usage: { input: prompt.length, output, reasoning },
      reasoningClosed: answer.reasoningClosed,
      reasoningCut,
      looped,
    });
    return undefined;
  };
  /** An answer was promised in a form: one that ends in its reasoning would have none. */
  const owed = thinkEnd !== undefined && (answerGrammar !== undefined || request.tools?.required === true);
  /** Whoever reasons for too long is made to answer, with what was found so far. */
  const withinBudget = (token: Token): Token => {
    const spent = reasoningBudget > 0 && answer.reasoning && answer.tokens.reasoning >= reasoningBudget;
    if (owed && answer.reasoning && options.isEnd(token)) return thinkEnd;
    if (!spent || thinkEnd === undefined || token === thinkEnd) return token;
    reasoningCut = true;
    return thinkEnd;
  };

  return {
    id,
    prompt,
    sampling: request.sampling,
    reproducible: request.reproducible,
    seeded: request.seeded,
    logprobs: request.logprobs,
    grammar: () => (answer.reasoning ? undefined : tools ? tools.state : answerGrammar),
    onPrefilled: (tokens) => tell({ type: 'prefilled', id, tokens }),
    onToken: (chosen, logprob) => {
      const token = tools && !answer.reasoning ? tools.steer(chosen) : withinBudget(chosen);
      // Nothing can follow a grammar's end.
      if (options.isEnd(token) && (!request.ignoreEnd || answerGrammar)) {
        answer.pass();
        return done('end');
      }
      if (tools && !answer.reasoning && tools.takes(token)) {
        answer.pass();
        const rest = tools.begun ? { reasoning: '', content: '' } : answer.flush();
        delta(rest, [], tools.push(token));
        if (tools.over) return done('end');
      } else {
        const wasReasoning = answer.reasoning;
        const piece = answer.push(token);
        if (logprob && !wasReasoning && !answer.reasoning) held.push(logprob);
        // Probabilities go out with the text that they belong to; those of a stop text stay behind with it.
        const released = answer.holding || piece.stopped ? [] : held;
        if (released.length > 0) held = [];
        delta(piece, released);
        if (piece.stopped) return done('stop');
      }
      if (guard && guard.push(token) > 0) {
        looped = true;
        if (options.loopGuard === 'stop') return done('repetition');
      }
      return answer.tokens.output < limit ? token : done('length');
    },
    onEnd: (how) => {
      if (how === 'cancelled') tell({ type: 'cancelled', id });
      else
        tell({
          type: 'failed',
          id,
          reason: reasonOf(how),
          message: how.message,
        });
    },
  };
}

function reasonOf(error: Error): 'out_of_memory' | 'bad_grammar' | 'engine_error' {
  if (error instanceof OutOfMemoryError) return 'out_of_memory';
  return error instanceof GrammarError ? 'bad_grammar' : 'engine_error';
}
