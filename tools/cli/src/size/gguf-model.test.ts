import { copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GgufScalar } from '@vigil/gguf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedValues } from './architecture.js';
import { architectureOf, readGgufModel } from './gguf-model.js';

const BUNDLED = fileURLToPath(new URL('../../../../models/vigil-scripted-r1.gguf', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-size-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const header = (metadata: Record<string, GgufScalar>) => ({
  version: 3,
  tensors: 1,
  metadata: new Map(Object.entries(metadata)),
});

const R1 = {
  'general.architecture': 'deepseek2',
  'deepseek2.block_count': 61,
  'deepseek2.embedding_length': 7168,
  'deepseek2.context_length': 163_840,
  'deepseek2.attention.head_count': 128,
  'deepseek2.attention.kv_lora_rank': 512,
  'deepseek2.rope.dimension_count': 64,
  'tokenizer.ggml.tokens.length': 129_280,
};

describe('a GGUF file', () => {
  it('is sized by its header and its length', async () => {
    const { size } = await stat(BUNDLED);
    expect(await readGgufModel(BUNDLED)).toMatchObject({
      name: 'vigil-scripted-r1',
      weights: size,
      quantization: 'Q8_0',
      architecture: { maxContext: 4096, attention: { kind: 'heads' } },
      model: undefined,
    });
  });

  it('in parts is the sum of them', async () => {
    const part = (n: number) => join(folder, `big-0000${n}-of-00003.gguf`);
    for (const n of [1, 2]) await copyFile(BUNDLED, part(n));
    await expect(readGgufModel(part(1))).rejects.toThrow(/is one part of 3, and 2 of them lie in/);
    await writeFile(part(3), 'x'.repeat(1000));
    const { size } = await stat(BUNDLED);
    expect(await readGgufModel(part(1))).toMatchObject({ name: 'big', weights: 2 * size + 1000 });
  });

  it('that is none, or is not there, is told in a sentence', async () => {
    const path = join(folder, 'text.gguf');
    await writeFile(path, 'this is no model');
    await expect(readGgufModel(path)).rejects.toThrow(/text\.gguf is no GGUF file.*Give --gguf another file/);
    await expect(readGgufModel(join(folder, 'none.gguf'))).rejects.toThrow(/none\.gguf can not be read: ENOENT/);
  });
});

describe('a header', () => {
  it('of R1 with latent attention caches 576 values a layer', () => {
    const architecture = architectureOf(
      header({
        ...R1,
        'deepseek2.attention.head_count_kv': 1,
        'deepseek2.attention.key_length': 576,
        'deepseek2.attention.value_length': 512,
        'deepseek2.attention.key_length_mla': 192,
        'deepseek2.attention.value_length_mla': 128,
      }),
    );
    expect(cachedValues(architecture)).toBe(61 * 576);
  });

  it('of R1 made before that caches every head', () => {
    const architecture = architectureOf(
      header({
        ...R1,
        'deepseek2.attention.head_count_kv': 128,
        'deepseek2.attention.key_length': 192,
        'deepseek2.attention.value_length': 128,
      }),
    );
    expect(cachedValues(architecture)).toBe(61 * 128 * (192 + 128));
  });

  it('without head_count_kv and lengths has a key and a value for every head', () => {
    const architecture = architectureOf(
      header({
        'general.architecture': 'llama',
        'llama.block_count': 32,
        'llama.embedding_length': 4096,
        'llama.context_length': 4096,
        'llama.attention.head_count': 32,
        'llama.vocab_size': 32_000,
      }),
    );
    expect(cachedValues(architecture)).toBe(32 * 32 * 256);
  });

  it.each([
    'deepseek2.block_count',
    'deepseek2.embedding_length',
    'deepseek2.attention.head_count',
    'deepseek2.context_length',
  ])('without %s can not be sized', (key) => {
    const rest = Object.fromEntries(Object.entries(R1).filter(([name]) => name !== key));
    expect(() => architectureOf(header(rest))).toThrow(`does not say ${key}, so it can not be sized`);
  });

  it('without tokens can not be sized', () => {
    const { 'tokenizer.ggml.tokens.length': _, ...rest } = R1;
    expect(() => architectureOf(header(rest))).toThrow(/how many tokens/);
  });
});
