import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { byteTokens } from './bpe.js';
import { buildNanoModel, NANO_NAME, type Trained } from './nano.js';
import { readSafetensors } from './safetensors.js';
import { SPECIAL } from './scripted.js';
import { fromHalf, toHalf } from './tensor-types.js';

const models = new URL('../../../models/', import.meta.url);

/** A safetensors file of F16 tensors whose numbers are all `value`. */
function safetensors(shapes: Record<string, number[]>, value = 0.5): Uint8Array {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const bytes = 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: 'F16', shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const numbers = Buffer.alloc(at);
  for (let i = 0; i < at; i += 2) numbers.writeUInt16LE(toHalf(value), i);
  return Buffer.concat([length, json, numbers]);
}

const LAYER = {
  'input_layernorm.weight': [32],
  'self_attn.q_proj.weight': [32, 32],
  'self_attn.q_proj.bias': [32],
  'self_attn.k_proj.weight': [16, 32],
  'self_attn.k_proj.bias': [16],
  'self_attn.v_proj.weight': [16, 32],
  'self_attn.v_proj.bias': [16],
  'self_attn.o_proj.weight': [32, 32],
  'post_attention_layernorm.weight': [32],
  'mlp.gate_proj.weight': [64, 32],
  'mlp.up_proj.weight': [64, 32],
  'mlp.down_proj.weight': [32, 64],
};

function trained(layer: Record<string, number[]> = LAYER): Trained {
  const bytes = byteTokens();
  return {
    tokenizer: {
      model: { vocab: Object.fromEntries(bytes.map((token, id) => [token, id])), merges: [] },
      added_tokens: Object.values(SPECIAL).map((content, i) => ({ id: bytes.length + i, content })),
    },
    recipe: {
      config: {
        num_hidden_layers: 1,
        hidden_size: 32,
        intermediate_size: 64,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000,
        max_position_embeddings: 128,
      },
      sha256: 'abc',
      seed: 1,
      steps: 2,
      tokens: 3,
    },
    weights: [
      safetensors({ 'model.embed_tokens.weight': [262, 32], 'model.norm.weight': [32] }),
      safetensors(Object.fromEntries(Object.entries(layer).map(([name, shape]) => [`model.layers.0.${name}`, shape]))),
    ],
  };
}

describe('vigil-nano-r1', () => {
  it('is the file whose checksum stands beside it, and at most 16 MiB', async () => {
    const file = await readFile(new URL(`${NANO_NAME}.gguf`, models));
    const sums = await readFile(new URL('SHA256SUMS', models), 'utf8');
    expect(sums).toBe(`${createHash('sha256').update(file).digest('hex')}  ${NANO_NAME}.gguf\n`);
    expect(file.length).toBeLessThanOrEqual(16 * 2 ** 20);
  });

  it('is written from trained weights with what llama.cpp and readers need', () => {
    const file = Buffer.from(buildNanoModel(trained()));
    expect(file.toString('latin1', 0, 4)).toBe('GGUF');
    expect(Number(file.readBigUInt64LE(8)), 'tensors').toBe(14);
    for (const key of ['qwen2.block_count', 'tokenizer.ggml.merges', 'tokenizer.chat_template', 'recipe abc'])
      expect(file.includes(key), key).toBe(true);
    expect(buildNanoModel(trained(), 'F16').length).toBeGreaterThan(file.length);
  });

  it('is not written from weights that lack a tensor', () => {
    const { 'mlp.up_proj.weight': _, ...rest } = LAYER;
    expect(() => buildNanoModel(trained(rest))).toThrow('lack the tensor model.layers.0.mlp.up_proj.weight');
  });
});

describe('readSafetensors', () => {
  it('reads shapes and numbers', () => {
    const { shape, data } = readSafetensors(safetensors({ a: [2, 3] }, -1.25)).get('a')!;
    expect([shape, [...data]]).toEqual([[2, 3], Array(6).fill(-1.25)]);
  });

  it('refuses a file that is cut', () => {
    const file = safetensors({ a: [2, 3] });
    expect(() => readSafetensors(file.subarray(0, 5))).toThrow('ends within its header');
    expect(() => readSafetensors(file.subarray(0, -2))).toThrow('does not hold what its shape says');
  });
});

it('reads every 16-bit float that is a number as toHalf wrote it', () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    expect(toHalf(fromHalf(bits))).toBe(bits);
    expect(fromHalf(bits | 0x8000)).toBe(-fromHalf(bits));
  }
});
