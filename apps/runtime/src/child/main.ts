import type { FromChild, GenerationRequest, ToChild } from '../engine/protocol.js';
import { AnswerStream } from '../text/answer-stream.js';
import { BATCH, load, type Loaded } from './llama.js';
import { LoopScheduler, type Scheduler } from './scheduler.js';
import { tokenizePrompt } from './tokenize.js';

/**
 * The engine's process: llama.cpp and nothing else, so that a crash or a hang in it takes nobody along.
 * It lives as long as its parent does; the parent alone ends it, so a terminal's Ctrl-C is left to the parent.
 */
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => process.exit(0));

const tell = (message: FromChild): void => void process.send?.(message, () => undefined);
let loaded: Loaded | undefined;
let scheduler: Scheduler | undefined;

process.on('message', (message: ToChild) => {
  if (message.type === 'load') void start(message.options);
  else if (message.type === 'cancel') scheduler?.cancel(message.id);
  else
    generate(message.id, message.request).catch((error: unknown) =>
      tell({ type: 'failed', id: message.id, message: String(error) }),
    );
});

async function start(options: (ToChild & { type: 'load' })['options']): Promise<void> {
  try {
    loaded = await load(options, tell);
    scheduler = new LoopScheduler(loaded.sequences, BATCH);
    tell({ type: 'loaded', info: loaded.info });
  } catch (error) {
    tell({ type: 'load-failed', message: error instanceof Error ? error.message : String(error) });
  }
}

async function generate(id: number, request: GenerationRequest): Promise<void> {
  const { model, info, thinkBegin, thinkEnd } = loaded!;
  const prompt = tokenizePrompt(model, request.prompt, info.contextSize);
  // At least one token must find room, and nothing is ever shifted out.
  if (prompt.length >= info.contextSize) return tell({ type: 'refused', id, inputTokens: prompt.length });
  tell({ type: 'started', id, inputTokens: prompt.length });

  const room = info.contextSize - prompt.length;
  const limit = Math.min(request.maxTokens ?? room, room);
  const answer = new AnswerStream({
    detokenize: (tokens, before) => model.detokenize(tokens, false, before),
    thinkBegin,
    thinkEnd,
    primed: request.primed,
    stop: request.stop,
  });
  const delta = (reasoning: string, content: string) => {
    const { output, reasoning: reasoningTokens } = answer.tokens;
    tell({ type: 'delta', id, reasoning, content, output, reasoningTokens });
  };
  const ended = { by: 'length' as 'end' | 'stop' | 'length' };
  const cancelled = await scheduler!.run({
    id,
    prompt,
    sampling: request.sampling,
    onPrefilled: (tokens) => tell({ type: 'prefilled', id, tokens }),
    onToken: (token) => {
      if (model.isEogToken(token) && !request.ignoreEnd) {
        answer.end();
        ended.by = 'end';
        return false;
      }
      const { reasoning, content, stopped } = answer.push(token);
      delta(reasoning, content);
      if (stopped) ended.by = 'stop';
      return !stopped && answer.tokens.output < limit;
    },
  });
  if (cancelled) return tell({ type: 'cancelled', id });
  if (ended.by !== 'stop') {
    const { reasoning, content } = answer.flush();
    if (reasoning !== '' || content !== '') delta(reasoning, content);
  }
  const { output, reasoning } = answer.tokens;
  tell({
    type: 'done',
    id,
    finishReason: ended.by === 'length' ? 'length' : 'stop',
    usage: { input: prompt.length, output, reasoning },
    reasoningClosed: answer.reasoningClosed,
  });
}
