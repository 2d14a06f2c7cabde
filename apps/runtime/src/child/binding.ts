import type { Llama, LlamaContext, LlamaGrammar, LlamaGrammarEvaluationState, LlamaModel, Token } from 'node-llama-cpp';

/**
 * node-llama-cpp's own binding of llama.cpp, which it keeps to itself: its public `evaluate()` decides by itself what
 * is decoded together, and costs more JavaScript a token than a step scheduler can afford. All use of what is not
 * public is in this file; the version is pinned, and a version that differs is refused when a model is loaded.
 */
export interface NativeContext {
  initBatch(tokens: number): void;
  /** @returns for each of `logits` (indexes within `tokens`, ascending) where its row is found after decoding */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logits: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(row: number, sampler: NativeSampler): Promise<Token | -1>;
  /** With every token of the vocabulary and its probability behind it, the likeliest first. */
  sampleToken(row: number, sampler: NativeSampler, probabilities: true): Promise<[Token | -1, number[] | undefined]>;
  disposeSequence(sequence: number): void;
  /** Forgets the tokens from `start` to before `end`, -1 being the end; false where the model can't. */
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
  /** The first position that is still there; -1 where there is none. */
  getSequenceKvCacheMinPosition(sequence: number): number;
  setThreads(threads: number): void;
}

export interface NativeSampler {
  applyConfig(config: NativeSampling): void;
  dispose(): void;
}

/** Left out is switched off, but for the seed. */
export interface NativeSampling {
  temperature: number;
  topP?: number;
  topK?: number;
  minP?: number;
  seed: number;
  repeatPenalty?: number;
  repeatPenaltyTokens?: Uint32Array;
  repeatPenaltyMaxTokens?: number;
  repeatPenaltyPresencePenalty?: number;
  repeatPenaltyFrequencyPenalty?: number;
  grammarEvaluationState?: object;
}

const METHODS = [
  'initBatch',
  'addToBatch',
  'decodeBatch',
  'sampleToken',
  'disposeSequence',
  'removeTokenCellsFromSequence',
  'getSequenceKvCacheMinPosition',
  'setThreads',
] as const;

/** @throws Error where this version of node-llama-cpp is made otherwise */
export function nativeContext(context: LlamaContext): NativeContext {
  const native = (context as unknown as { _ctx?: Record<string, unknown> })._ctx;
  const lacking = METHODS.filter((name) => typeof native?.[name] !== 'function');
  if (lacking.length > 0) throw otherwise(lacking.join(', '));
  return native as unknown as NativeContext;
}

/** A token as the vocabulary writes it. */
export function writtenToken(model: LlamaModel, token: Token): string {
  const native = (model as unknown as { _model?: { getTokenString?: (token: Token) => string } })._model;
  if (typeof native?.getTokenString !== 'function') throw otherwise('getTokenString');
  return native.getTokenString(token);
}

/** To be disposed of. */
export function createSampler(llama: Llama, model: LlamaModel): NativeSampler {
  const { AddonSampler } = bindings(llama);
  const native = (model as unknown as { _model?: object })._model;
  if (typeof AddonSampler !== 'function' || native === undefined) throw otherwise('AddonSampler');
  return new AddonSampler(native);
}

/** The state of a grammar at its beginning, for one answer. */
export function grammarState(
  make: typeof LlamaGrammarEvaluationState,
  model: LlamaModel,
  grammar: LlamaGrammar,
): object {
  const state = (new make({ model, grammar }) as unknown as { _state?: object })._state;
  if (state === undefined) throw otherwise('LlamaGrammarEvaluationState');
  return state;
}

const bindings = (llama: Llama) =>
  (llama as unknown as { _bindings?: { AddonSampler?: new (model: object) => NativeSampler } })._bindings ?? {};

const otherwise = (what: string): Error =>
  new Error(`node-llama-cpp has another inside than the version that this was written for: it lacks ${what}.`);
