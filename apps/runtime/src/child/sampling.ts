import type { Llama, LlamaModel, Token } from 'node-llama-cpp';
import type { AnswerLogprob, Sampling, TokenLogprob } from '../engine/protocol.js';
import { tokenBytes } from '../text/token-bytes.js';
import { createSampler, writtenToken, type NativeContext, type NativeSampler, type NativeSampling } from './binding.js';

/**
 * Where `top_p` alone bounds the choice, it looks at so many tokens: sorting a vocabulary of 150,000 for each token
 * costs 12 ms, and what a model says with sense is never below the thousand likeliest.
 */
const CANDIDATES = 1024;
/** What penalties look back on, in tokens. */
const PENALTY_WINDOW = 65_536;
/** OpenAI's word for "can not come". */
const IMPOSSIBLE = -9999;

/** node-llama-cpp's own presets differ from OpenAI's, so everything is said. */
export function nativeSampling(
  sampling: Sampling,
  said: readonly Token[],
  grammar: object | undefined,
): NativeSampling {
  const { temperature, topP, topK, minP, seed, frequencyPenalty, presencePenalty } = sampling;
  const penalised = frequencyPenalty !== 0 || presencePenalty !== 0;
  const candidates = topK > 0 ? topK : topP < 1 ? CANDIDATES : undefined;
  return {
    temperature,
    seed,
    ...(topP < 1 && { topP }),
    ...(candidates !== undefined && { topK: candidates }),
    ...(minP > 0 && { minP }),
    ...(penalised && {
      repeatPenalty: 1,
      repeatPenaltyTokens: Uint32Array.from(said),
      repeatPenaltyMaxTokens: PENALTY_WINDOW,
      repeatPenaltyFrequencyPenalty: frequencyPenalty,
      repeatPenaltyPresencePenalty: presencePenalty,
    }),
    ...(grammar && { grammarEvaluationState: grammar }),
  };
}

/** Chooses the tokens of one answer. */
export class TokenChooser {
  private sampler: NativeSampler | undefined;
  private raw: NativeSampler | undefined;
  private grammar: object | undefined;

  constructor(
    private readonly llama: Llama,
    private readonly model: LlamaModel,
    private readonly sampling: Sampling,
    private readonly logprobs: number | undefined,
  ) {}

  /** @param said gives the tokens of the answer so far */
  async choose(
    native: NativeContext,
    row: number,
    said: () => readonly Token[],
    grammar: object | undefined,
  ): Promise<{ token: Token; logprob: AnswerLogprob | undefined }> {
    if (!this.sampler || grammar !== this.grammar) {
      this.sampler?.dispose();
      this.sampler = createSampler(this.llama, this.model);
      this.sampler.applyConfig(nativeSampling(this.sampling, said(), grammar));
      this.grammar = grammar;
    }
    const token = await native.sampleToken(row, this.sampler);
    if (token === -1) throw new Error('no token can follow; the grammar allows none');
    return { token, logprob: this.logprobs === undefined ? undefined : await this.explain(native, row, token) };
  }

  dispose(): void {
    this.sampler?.dispose();
    this.raw?.dispose();
  }

  private async explain(native: NativeContext, row: number, token: Token): Promise<AnswerLogprob> {
    if (!this.raw) {
      this.raw = createSampler(this.llama, this.model);
      this.raw.applyConfig({ temperature: 0, seed: 0 });
    }
    const [, probabilities = []] = await native.sampleToken(row, this.raw, true);
    const entry = (at: number): TokenLogprob => {
      const id = probabilities[at] as Token;
      const text = this.model.detokenize([id], true);
      const probability = probabilities[at + 1]!;
      return {
        token: text,
        logprob: probability > 0 ? Math.log(probability) : IMPOSSIBLE,
        bytes: tokenBytes(writtenToken(this.model, id), this.model.vocabularyType, text),
      };
    };
    let at = 0;
    while (at < probabilities.length && probabilities[at] !== token) at += 2;
    const top = Array.from({ length: Math.min(this.logprobs!, probabilities.length / 2) }, (_, i) => entry(2 * i));
    return { ...entry(at), top };
  }
}
