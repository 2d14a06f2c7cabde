import { LlamaGrammarEvaluationState, type Llama, type LlamaGrammar } from 'node-llama-cpp';
import type { AnswerMessage, FromChild, GenerationRequest, LoadOptions, ToChild } from '../engine/protocol.js';
import { answerJob } from './answer.js';
import { grammarState } from './binding.js';
import type { Job } from './job.js';
import { Lane } from './lane.js';
import { BATCH, batchPays, load, LoadError, lonelyFrom, pieceSize, type Loaded } from './llama.js';
import { TokenChooser } from './sampling.js';
import { StepScheduler } from './scheduler.js';
import { countsOf, sharedThreads, ThreadTuner } from './thread-tuner.js';
import { tokenizePrompt } from './tokenize.js';

/**
 * The engine's process: llama.cpp and nothing else, so that a crash or a hang in it takes nobody along.
 * It lives as long as its parent does; the parent alone ends it, so a terminal's Ctrl-C is left to the parent.
 */
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => process.exit(0));

/** A batch of so many tokens is worth the cores of lanes that have nothing to do. */
const WORTH_ALL_CORES = 32;

const tell = (message: FromChild): void => void process.send?.(message, () => undefined);
let loaded: Loaded | undefined;
let scheduler: StepScheduler | undefined;
let options: LoadOptions | undefined;
let outbox: AnswerMessage[] = [];
/** The newest ones by their text: whoever asks for JSON asks for the same again. */
const grammars = new Map<string, Promise<LlamaGrammar>>();
const MOST_GRAMMARS = 4;
/** Requests whose grammar is being read; false for those that nobody wants any more. */
const preparing = new Map<number, boolean>();

/** Of what is no step's. */
function answer(message: AnswerMessage): void {
  outbox.push(message);
  setImmediate(flush);
}

/**
 * Messages of one step go out together, while the next is computed: each crossing costs both sides more than the message
 * does, and wakes the server, which then takes a core from this process.
 */
function flush(): void {
  if (outbox.length === 0) return;
  const messages = outbox;
  outbox = [];
  tell({ type: 'answers', messages, stats: scheduler?.takeStats() });
}

process.on('message', (message: ToChild) => {
  if (message.type === 'load') void start(message.options);
  else if (message.type === 'cancel') cancel(message.id);
  else
    generate(message.id, message.request).catch((error: unknown) =>
      answer({ type: 'failed', id: message.id, reason: 'engine_error', message: String(error) }),
    );
});

function cancel(id: number): void {
  if (preparing.has(id)) preparing.set(id, false);
  else scheduler?.cancel(id);
}

async function start(given: LoadOptions): Promise<void> {
  try {
    options = given;
    loaded = await load(given, tell);
    scheduler = schedule(given, loaded);
    tell({ type: 'loaded', info: loaded.info });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell({ type: 'load-failed', message, sentence: error instanceof LoadError });
  }
}

function schedule(given: LoadOptions, engine: Loaded): StepScheduler {
  const { llama, model, contexts, widestGap, threads, gathered, spreader, info } = engine;
  const { targetSeconds, min, max } = given.batch;
  const perLane = Math.max(1, Math.floor(threads / contexts.length));
  const tuner = new ThreadTuner(countsOf(threads));
  const made = new StepScheduler({
    bounds: { min, max: Math.min(max, info.sequences), targetSeconds },
    cells: info.sequences * info.contextSize,
    gathered,
    onBroken: (error) => {
      console.error(`The engine can not compute any more: ${error.message}`);
      process.exit(1);
    },
    lanes: (hooks) =>
      contexts.map(({ native, sequences }, index) => {
        const alone = () => made.lanes.every((lane, other) => other === index || lane.running === 0);
        const choose = (tokens: number) => (tokens >= WORTH_ALL_CORES && alone() ? threads : perLane);
        const spread = { choose, took: () => undefined, most: perLane };
        return new Lane({
          ...hooks,
          native,
          sequences,
          contextSize: info.contextSize,
          piece: pieceSize(info),
          targetSeconds,
          batchSize: BATCH,
          readsTogether: batchPays(info),
          widestGap,
          lonelyFrom: lonelyFrom(info, given),
          rowsApart: info.device !== 'cpu',
          chooser: (job: Job) => new TokenChooser(llama, model, job.sampling, job.logprobs),
          threads: contexts.length === 1 ? tuner : gathered > 0 ? sharedThreads(tuner, perLane, alone) : spread,
          spreader,
          onPause: flush,
        });
      }),
  });
  return made;
}

function grammarOf(llama: Llama, text: string): Promise<LlamaGrammar> {
  const known = grammars.get(text) ?? llama.createGrammar({ grammar: text });
  grammars.delete(text);
  grammars.set(text, known);
  if (grammars.size > MOST_GRAMMARS) grammars.delete(grammars.keys().next().value!);
  return known;
}

async function generate(id: number, request: GenerationRequest): Promise<void> {
  const { llama, model, info, thinkBegin, thinkEnd, toolTokens } = loaded!;
  const prompt = tokenizePrompt(model, request.prompt, info.contextSize);
  // At least one token must find room, and nothing is ever shifted out.
  if (prompt.length >= info.contextSize) return answer({ type: 'refused', id, inputTokens: prompt.length });
  const text = request.grammar ?? request.tools?.grammar;
  let grammar: (() => object) | undefined;
  if (text !== undefined)
    try {
      preparing.set(id, true);
      const compiled = await grammarOf(llama, text);
      const state = () => grammarState(LlamaGrammarEvaluationState, model, compiled);
      // What is wrong with it shows here, not in the middle of an answer.
      let first: object | undefined = state();
      grammar = () => {
        const next = first ?? state();
        first = undefined;
        return next;
      };
      if (!preparing.get(id)) return answer({ type: 'cancelled', id });
    } catch (error) {
      return answer({ type: 'failed', id, reason: 'bad_grammar', message: String(error) });
    } finally {
      preparing.delete(id);
    }
  answer({ type: 'started', id, inputTokens: prompt.length });
  const room = info.contextSize - prompt.length;
  scheduler!.start(
    answerJob({
      id,
      request,
      prompt,
      limit: Math.min(request.maxTokens ?? room, room),
      tokenize: (plain) => model.tokenize(plain, false),
      detokenize: (tokens, before) => model.detokenize(tokens, false, before),
      isEnd: (token) => model.isEogToken(token),
      thinkBegin,
      thinkEnd,
      toolTokens,
      grammar,
      reasoningBudget: options!.reasoningBudget,
      loopGuard: options!.loopGuard,
      tell: (message) => {
        if (message.type === 'done' || message.type === 'failed' || message.type === 'cancelled') scheduler!.forget(id);
        outbox.push(message);
      },
    }),
  );
}
