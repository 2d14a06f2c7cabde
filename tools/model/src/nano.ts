import { writeGguf, type GgufTensor, type GgufValue } from './gguf.js';
import { readSafetensors, type Tensor } from './safetensors.js';
import { CHAT_TEMPLATE, CONTROL, NORMAL, SPECIAL, USER_DEFINED } from './scripted.js';

export const NANO_NAME = 'vigil-nano-r1';
export const NANO_VERSION = '1';

/** What `train/train.py` wrote, as it lies in its folder. */
export interface Trained {
  /** tokenizer.json */
  tokenizer: {
    model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
    added_tokens: { id: number; content: string }[];
  };
  /** recipe.json */
  recipe: {
    config: {
      num_hidden_layers: number;
      hidden_size: number;
      intermediate_size: number;
      num_attention_heads: number;
      num_key_value_heads: number;
      rms_norm_eps: number;
      rope_theta: number;
      max_position_embeddings: number;
    };
    sha256: string;
    seed: number;
    steps: number;
    tokens: number;
  };
  /** The safetensors files. */
  weights: readonly Uint8Array[];
}

/** Matrices in `matrices`, vectors in F32, under the names that llama.cpp gives Qwen2's parts. */
const NAMES: readonly [string, string][] = [
  ['input_layernorm.weight', 'attn_norm.weight'],
  ['self_attn.q_proj.weight', 'attn_q.weight'],
  ['self_attn.q_proj.bias', 'attn_q.bias'],
  ['self_attn.k_proj.weight', 'attn_k.weight'],
  ['self_attn.k_proj.bias', 'attn_k.bias'],
  ['self_attn.v_proj.weight', 'attn_v.weight'],
  ['self_attn.v_proj.bias', 'attn_v.bias'],
  ['self_attn.o_proj.weight', 'attn_output.weight'],
  ['post_attention_layernorm.weight', 'ffn_norm.weight'],
  ['mlp.gate_proj.weight', 'ffn_gate.weight'],
  ['mlp.up_proj.weight', 'ffn_up.weight'],
  ['mlp.down_proj.weight', 'ffn_down.weight'],
];

/**
 * vigil-nano-r1 as a GGUF file. The same input gives the same bytes.
 * @throws Error where a tensor or a token is missing
 */
export function buildNanoModel({ tokenizer, recipe, weights }: Trained, type: 'Q8_0' | 'F16' = 'Q8_0'): Uint8Array {
  const { config } = recipe;
  const tensors = new Map<string, Tensor>();
  for (const file of weights) for (const [name, tensor] of readSafetensors(file)) tensors.set(name, tensor);
  const tensor = (from: string, to: string): GgufTensor => {
    const found = tensors.get(from);
    if (!found) throw new Error(`The weights lack the tensor ${from}.`);
    return { name: to, shape: found.shape.toReversed(), type: found.shape.length > 1 ? type : 'F32', data: found.data };
  };
  const tokens = readTokens(tokenizer);
  const id = (token: string): number => {
    const at = tokens.indexOf(token);
    if (at < 0) throw new Error(`The tokenizer lacks ${token}.`);
    return at;
  };
  const special = new Set<string>(Object.values(SPECIAL));
  const kind = (token: string): number =>
    token === SPECIAL.thinkBegin || token === SPECIAL.thinkEnd ? USER_DEFINED : special.has(token) ? CONTROL : NORMAL;
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const text = (value: string): GgufValue => ({ type: 'string', value });
  const metadata: Record<string, GgufValue> = {
    'general.architecture': text('qwen2'),
    'general.name': text(NANO_NAME),
    'general.version': text(NANO_VERSION),
    'general.description': text(
      `A small demonstration model in the form of DeepSeek-R1, trained by tools/model of Vigil: seed ${recipe.seed}, ${recipe.steps} steps, ${recipe.tokens} tokens of synthetic conversations; recipe ${recipe.sha256}.`,
    ),
    'general.license': text('apache-2.0'),
    'general.file_type': u32(type === 'Q8_0' ? 7 : 1),
    'vigil.recipe.sha256': text(recipe.sha256),
    'qwen2.block_count': u32(config.num_hidden_layers),
    'qwen2.context_length': u32(config.max_position_embeddings),
    'qwen2.embedding_length': u32(config.hidden_size),
    'qwen2.feed_forward_length': u32(config.intermediate_size),
    'qwen2.attention.head_count': u32(config.num_attention_heads),
    'qwen2.attention.head_count_kv': u32(config.num_key_value_heads),
    'qwen2.attention.layer_norm_rms_epsilon': { type: 'f32', value: config.rms_norm_eps },
    'qwen2.rope.freq_base': { type: 'f32', value: config.rope_theta },
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.pre': text('deepseek-r1-qwen'),
    'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
    'tokenizer.ggml.token_type': { type: 'i32s', value: tokens.map(kind) },
    'tokenizer.ggml.merges': {
      type: 'strings',
      value: tokenizer.model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' '))),
    },
    'tokenizer.ggml.bos_token_id': u32(id(SPECIAL.begin)),
    'tokenizer.ggml.eos_token_id': u32(id(SPECIAL.end)),
    'tokenizer.ggml.padding_token_id': u32(id(SPECIAL.end)),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
    'tokenizer.ggml.add_eos_token': { type: 'bool', value: false },
    'tokenizer.chat_template': text(CHAT_TEMPLATE),
  };
  return writeGguf({
    metadata,
    tensors: [
      tensor('model.embed_tokens.weight', 'token_embd.weight'),
      tensor('model.norm.weight', 'output_norm.weight'),
      ...Array.from({ length: config.num_hidden_layers }, (_, n) =>
        NAMES.map(([from, to]) => tensor(`model.layers.${n}.${from}`, `blk.${n}.${to}`)),
      ).flat(),
    ],
  });
}

function readTokens({ model, added_tokens: added }: Trained['tokenizer']): string[] {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  for (const { id, content } of added) tokens[id] = content;
  if (tokens.length !== Object.keys(tokens).length) throw new Error('The tokenizer leaves numbers of tokens unused.');
  return tokens;
}
