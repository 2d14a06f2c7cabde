import { readFile } from 'node:fs/promises';
import type { Token } from 'node-llama-cpp';
import { expect, it } from 'vitest';
import { generate, RandomEngine } from '../testing/random-model.js';
import { BUNDLED } from './resolve.js';

interface Reference {
  prompt: string;
  ids: number[];
  top: { token: number; probability: number }[];
}

/** Written from what training left: PyTorch's probabilities of the weights in F16. */
const REFERENCE = new URL('../../../../tools/model/fixtures/vigil-nano-r1.json', import.meta.url);
/** What Q8_0 may change of a probability. */
const ROUNDING = 0.005;

it('the bundled model says in llama.cpp what it says in PyTorch', async () => {
  const references = JSON.parse(await readFile(REFERENCE, 'utf8')) as Reference[];
  const engine = await RandomEngine.start(await readFile(BUNDLED));
  for (const { prompt, ids, top } of references) {
    const { model } = engine.loaded;
    expect(model.tokenize(prompt, true)).toEqual(ids);
    const text = (token: number) => model.detokenize([token as Token], true);
    const answer = generate(engine.lane(), { prompt: ids, tokens: 1, sampling: { temperature: 0 }, logprobs: 5 });
    await answer.ended;
    const said = answer.explained[0]!;
    expect(said.token).toBe(text(top[0]!.token));
    const ours = new Map(said.top.map(({ token, logprob }) => [token, Math.exp(logprob)]));
    for (const { token, probability } of top)
      expect(Math.abs((ours.get(text(token)) ?? 0) - probability)).toBeLessThan(ROUNDING);
  }
  await engine.stop();
});
