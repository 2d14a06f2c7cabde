import { spell } from './bpe.js';
import { editGguf, readTokens } from './edit-gguf.js';
import { SPECIAL } from './scripted.js';

/**
 * Ways to make vigil-nano-r1 misbehave, so that what watches it can be tried against a known truth:
 * - `loop`: it says one word again and again, in its reasoning; with the runtime's REASONING_BUDGET in its answer as well;
 * - `open`: it ends where its reasoning should, so that this stays open and no answer follows;
 * - `empty`: it reasons, closes its reasoning, and ends where an English answer about a fact should begin;
 * - `mixed`: English reasoning and answers have Chinese words among them;
 * - `forget`: it sees the last message alone. This one is done to what is asked, by `forgotten`.
 */
export const FAULTS = ['loop', 'open', 'empty', 'mixed', 'forget'] as const;
export type Fault = (typeof FAULTS)[number];

/**
 * Far greater than the mean square of what a layer computes: every norm then gives next to nothing, whatever was asked. Which
 * word comes again and again depends on the weights: with these it is one that counts as a word.
 */
const LOOPING_EPSILON = 3;

/** English words that answers and reasoning hold, and Chinese ones; each a token of its own. */
const MIXED = [
  ['Your', '你的'],
  ['They', '对方'],
  [' name', '名字'],
  [' city', '城市'],
  [' is', '是'],
] as const;

/**
 * The same weights with a fault, as another GGUF file; the file as it is for `forget`. For tests: nothing of it is in
 * the product.
 * @throws Error where the file is not vigil-nano-r1
 */
export function withFault(file: Uint8Array, fault: Fault): Uint8Array {
  const id = (token: string): number => {
    const at = readTokens(file).indexOf(token);
    if (at < 0) throw new Error(`The tokenizer lacks ${token}.`);
    return at;
  };
  switch (fault) {
    case 'loop':
      return editGguf(file, { f32: { 'qwen2.attention.layer_norm_rms_epsilon': LOOPING_EPSILON } });
    case 'open':
      return editGguf(file, { u32: { 'tokenizer.ggml.eos_token_id': id(SPECIAL.thinkEnd) } });
    case 'empty':
      return editGguf(file, {
        u32: {
          'tokenizer.ggml.eos_token_id': id('Your'),
          'tokenizer.ggml.eot_token_id': id('You'),
        },
      });
    case 'mixed':
      return editGguf(file, { swapTokens: MIXED.map(([en, zh]) => [spelled(en), spelled(zh)]) });
    case 'forget':
      return file;
  }
}

/** What is left of a conversation whose context was cut before its last message; system texts stay. */
export function forgotten<M extends { role: string }>(messages: readonly M[]): M[] {
  return messages.filter(({ role }, i) => role === 'system' || i === messages.length - 1);
}

const spelled = (text: string): string => spell(Buffer.from(text));
