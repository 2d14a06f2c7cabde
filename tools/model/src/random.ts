import { byteTokens } from './bpe.js';
import { writeGguf, type GgufTensor, type GgufValue } from './gguf.js';
import { CONTROL, NORMAL, SPECIAL, USER_DEFINED } from './scripted.js';
import { tensorBytes, toHalf } from './tensor-types.js';

/** The measures of a model of random weights. */
export interface RandomModel {
  layers: number;
  width: number;
  heads: number;
  /** Heads of keys and values. */
  keyHeads: number;
  feedForward: number;
  /** Tokens: at least the 256 single bytes and those of R1's template. */
  vocabulary: number;
  contextLength: number;
  seed: number;
  /** Further control tokens, such as those around calls of tools. */
  control?: readonly string[];
  /** It never says a byte that is no character by itself, which other servers take for a fault. */
  wholeCharacters?: boolean;
}

/** About 128 million weights, 137 MB: large enough to measure how a server decodes. */
export const RANDOM_125M: RandomModel = {
  layers: 12,
  width: 768,
  heads: 12,
  keyHeads: 4,
  feedForward: 3072,
  vocabulary: 16_000,
  contextLength: 8192,
  seed: 1,
  wholeCharacters: true,
};

/** The shape of DeepSeek-R1-Distill-Qwen-1.5B, 1.9 GB: what a GPU has to do for a real model. */
export const RANDOM_1_5B: RandomModel = {
  layers: 28,
  width: 1536,
  heads: 12,
  keyHeads: 2,
  feedForward: 8960,
  vocabulary: 151_936,
  contextLength: 32_768,
  seed: 1,
  wholeCharacters: true,
};

/** Half a megabyte, done in no time; for tests of what a real transformer's numbers do. */
export const RANDOM_TINY: RandomModel = {
  layers: 2,
  width: 128,
  heads: 4,
  keyHeads: 2,
  feedForward: 256,
  vocabulary: 1024,
  contextLength: 2048,
  seed: 1,
};

/**
 * A model with DeepSeek-R1-Distill-Qwen's architecture, form of tokenizer and special tokens, and random weights
 * (Q8_0). It says nonsense, at the speed of a real one. The same measures give the same bytes.
 */
export function buildRandomModel(model: RandomModel): Uint8Array {
  const { layers, width, heads, keyHeads, feedForward, contextLength } = model;
  const special = [...Object.values<string>(SPECIAL), ...(model.control ?? [])];
  const tokens = byteTokens();
  // Words that no merge leads to: the model says them, a prompt never holds them.
  while (tokens.length < model.vocabulary - special.length) tokens.push(`Ġw${tokens.length.toString(36)}`);
  const firstSpecial = tokens.push(...special) - special.length;
  const kind = (token: string, id: number): number =>
    id < firstSpecial ? NORMAL : token === SPECIAL.thinkBegin || token === SPECIAL.thinkEnd ? USER_DEFINED : CONTROL;

  const random = generator(model.seed);
  const matrix = (name: string, columns: number, rows: number): GgufTensor => ({
    name,
    shape: [columns, rows],
    type: 'Q8_0',
    data: randomQ8(columns * rows, 1 / Math.sqrt(columns), random),
  });
  const vector = (name: string, length: number, value: number): GgufTensor => ({
    name,
    shape: [length],
    type: 'F32',
    data: new Float32Array(length).fill(value),
  });
  const keys = (width / heads) * keyHeads;
  const tensors = [
    matrix('token_embd.weight', width, tokens.length),
    vector('output_norm.weight', width, 1),
    matrix('output.weight', width, tokens.length),
    ...(model.wholeCharacters ? [unlikelyBytes(tokens.length)] : []),
    ...Array.from({ length: layers }, (_, n) => [
      vector(`blk.${n}.attn_norm.weight`, width, 1),
      matrix(`blk.${n}.attn_q.weight`, width, width),
      vector(`blk.${n}.attn_q.bias`, width, 0),
      matrix(`blk.${n}.attn_k.weight`, width, keys),
      vector(`blk.${n}.attn_k.bias`, keys, 0),
      matrix(`blk.${n}.attn_v.weight`, width, keys),
      vector(`blk.${n}.attn_v.bias`, keys, 0),
      matrix(`blk.${n}.attn_output.weight`, width, width),
      vector(`blk.${n}.ffn_norm.weight`, width, 1),
      matrix(`blk.${n}.ffn_gate.weight`, width, feedForward),
      matrix(`blk.${n}.ffn_up.weight`, width, feedForward),
      matrix(`blk.${n}.ffn_down.weight`, feedForward, width),
    ]).flat(),
  ];
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const metadata: Record<string, GgufValue> = {
    'general.architecture': { type: 'string', value: 'qwen2' },
    'general.name': { type: 'string', value: 'vigil-random' },
    'general.file_type': u32(7),
    'qwen2.block_count': u32(layers),
    'qwen2.context_length': u32(contextLength),
    'qwen2.embedding_length': u32(width),
    'qwen2.feed_forward_length': u32(feedForward),
    'qwen2.attention.head_count': u32(heads),
    'qwen2.attention.head_count_kv': u32(keyHeads),
    'qwen2.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-6 },
    'qwen2.rope.freq_base': { type: 'f32', value: 10_000 },
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'deepseek-r1-qwen' },
    'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
    'tokenizer.ggml.token_type': { type: 'i32s', value: tokens.map(kind) },
    'tokenizer.ggml.merges': { type: 'strings', value: [] },
    'tokenizer.ggml.bos_token_id': u32(tokens.indexOf(SPECIAL.begin)),
    'tokenizer.ggml.eos_token_id': u32(tokens.indexOf(SPECIAL.end)),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
  };
  return writeGguf({ metadata, tensors });
}

/** What no softmax gives a chance. */
const NEVER = -1000;
const FIRST_NOT_ASCII = 128;
const BYTES = 256;

/** A token of one byte has the byte's own number. */
const unlikelyBytes = (tokens: number): GgufTensor => ({
  name: 'output.bias',
  shape: [tokens],
  type: 'F32',
  data: new Float32Array(tokens).fill(NEVER, FIRST_NOT_ASCII, BYTES),
});

/** xorshift32: fast, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}

/** Q8_0 blocks whose numbers are even between -127 and 127, of a standard deviation of `deviation`. */
function randomQ8(count: number, deviation: number, random: () => number): Uint8Array {
  const bytes = new Uint8Array(tensorBytes('Q8_0', count));
  const scale = toHalf((deviation * Math.sqrt(3)) / 127);
  for (let at = 0; at < bytes.length; at += 34) {
    bytes[at] = scale & 0xff;
    bytes[at + 1] = scale >> 8;
    for (let i = 2; i < 34; i += 4) {
      const word = random();
      for (let k = 0; k < 4; k++) {
        const byte = (word >> (8 * k)) & 0xff;
        bytes[at + i + k] = byte === 0x80 ? 0 : byte;
      }
    }
  }
  return bytes;
}
