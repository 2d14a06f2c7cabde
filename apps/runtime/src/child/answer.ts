import type { Token } from 'node-llama-cpp';
import type { AnswerLogprob, AnswerMessage, GenerationRequest, LoopGuard } from '../engine/protocol.js';
import { AnswerStream } from '../text/answer-stream.js';
import { LoopGuard as Guard } from '../text/loop-guard.js';
import { OutOfMemoryError, type Job } from './job.js';

export interface AnswerOptions {
  id: number;
  request: GenerationRequest;
  prompt: readonly Token[];
  /** Most tokens of the answer. */
  limit: number;
  detokenize(tokens: readonly Token[], before: readonly Token[]): string;
  isEnd(token: Token): boolean;
  thinkBegin: Token | undefined;
  thinkEnd: Token | undefined;
  /** The state of the grammar that the answer must follow. */
  grammar: object | undefined;
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
    stop: request.stop,
  });
  const guard = options.loopGuard === 'off' || request.ignoreEnd ? undefined : new Guard();
  let reasoningCut = false;
  let looped = false;
  let held: AnswerLogprob[] = [];

  const delta = (reasoning: string, content: string, logprobs?: AnswerLogprob[]) => {
    const { output, reasoning: reasoningTokens } = answer.tokens;
    const told = logprobs && logprobs.length > 0 ? { logprobs } : {};
    tell({ type: 'delta', id, reasoning, content, output, reasoningTokens, ...told });
  };
  const done = (by: 'end' | 'stop' | 'length' | 'repetition'): undefined => {
    if (by !== 'stop') {
      const { reasoning, content } = answer.flush();
      if (reasoning !== '' || content !== '' || held.length > 0) delta(reasoning, content, held);
    }
    const { output, reasoning } = answer.tokens;
    tell({
      type: 'done',
      id,
      finishReason: by === 'end' ? 'stop' : by,
      usage: { input: prompt.length, output, reasoning },
      reasoningClosed: answer.reasoningClosed,
      reasoningCut,
      looped,
    });
    return undefined;
  };

  return {
    id,
    prompt,
    sampling: request.sampling,
    reproducible: request.reproducible,
    logprobs: request.logprobs,
    grammar: () => (answer.reasoning ? undefined : options.grammar),
    onPrefilled: (tokens) => tell({ type: 'prefilled', id, tokens }),
    onToken: (chosen, logprob) => {
      let token = chosen;
      // Whoever reasons for too long is made to answer, with what was found so far.
      if (reasoningBudget > 0 && answer.reasoning && thinkEnd !== undefined && token !== thinkEnd)
        if (answer.tokens.reasoning >= reasoningBudget) {
          token = thinkEnd;
          reasoningCut = true;
        }
      // Nothing can follow a grammar's end.
      if (options.isEnd(token) && (!request.ignoreEnd || options.grammar)) {
        answer.end();
        return done('end');
      }
      const wasReasoning = answer.reasoning;
      const { reasoning, content, stopped } = answer.push(token);
      if (logprob && !wasReasoning && !answer.reasoning) held.push(logprob);
      // Probabilities go out with the text that they belong to; those of a stop text stay behind with it.
      const released = answer.holding || stopped ? [] : held;
      if (released.length > 0) held = [];
      delta(reasoning, content, released);
      if (stopped) return done('stop');
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
          reason: how instanceof OutOfMemoryError ? 'out_of_memory' : 'engine_error',
          message: how.message,
        });
    },
  };
}
