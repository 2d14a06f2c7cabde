import { describe, expect, it } from 'vitest';
import { cachedValues } from './architecture.js';
import { cardOf, CARDS, findCard, PUBLISHED_BUILDS } from './cards.js';
import { alternatives, fewest, fit } from './fit.js';
import { needOf, needPerGpu, type Sized } from './memory.js';
import { findModel, MODELS } from './models.js';
import { findCacheType, findQuantization, weightBytes } from './quantization.js';

const GIB = 2 ** 30;

function sized(name: string, quantization: string, context: number, concurrency: number, cache = 'f16'): Sized {
  const model = findModel(name);
  const weights = weightBytes(model.parameters, findQuantization(quantization), model.experts);
  return { architecture: model.config, weights, context, concurrency, cache: findCacheType(cache) };
}

describe('the table of the R1 family', () => {
  // "Model size" of each model's page at huggingface.co/deepseek-ai, from its safetensors index; 671B: the model without
  // its multi-token prediction layer.
  it.each([
    ['DeepSeek-R1-Distill-Qwen-1.5B', 1_777_088_000],
    ['DeepSeek-R1-Distill-Qwen-7B', 7_615_616_512],
    ['DeepSeek-R1-Distill-Llama-8B', 8_030_261_248],
    ['DeepSeek-R1-0528-Qwen3-8B', 8_190_735_360],
    ['DeepSeek-R1-Distill-Qwen-14B', 14_770_033_664],
    ['DeepSeek-R1-Distill-Qwen-32B', 32_763_876_352],
    ['DeepSeek-R1-Distill-Llama-70B', 70_553_706_496],
    ['DeepSeek-R1', 671_026_419_200],
  ])('counts the parameters of %s as published', (name, total) => {
    expect(findModel(name).parameters.total).toBe(total);
  });

  it('is ordered by size', () => {
    const totals = MODELS.map((model) => model.parameters.total);
    expect(totals).toEqual(totals.toSorted((a, b) => a - b));
  });

  it.each([
    ['7b', 'DeepSeek-R1-Distill-Qwen-7B'],
    ['deepseek-r1:70b', 'DeepSeek-R1-Distill-Llama-70B'],
    ['deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B', 'DeepSeek-R1-Distill-Qwen-1.5B'],
    ['DeepSeek-R1-0528', 'DeepSeek-R1'],
    ['deepseek-r1:671b', 'DeepSeek-R1'],
    ['8b', 'DeepSeek-R1-Distill-Llama-8B'],
  ])('knows %s', (given, name) => {
    expect(findModel(given).name).toBe(name);
  });

  it('names what it knows where it is asked for something else', () => {
    expect(() => findModel('llama-4')).toThrow(/no model "llama-4".*deepseek-r1-distill-qwen-7b.*--gguf/);
    expect(() => findQuantization('q9')).toThrow(/no quantisation "q9".*q4_k_m/);
    expect(() => findCacheType('q9')).toThrow(/no KV cache type "q9".*q8_0/);
    expect(() => findCard('voodoo')).toThrow(/no GPU "voodoo".*rtx-3060/);
  });
});

describe('weights', () => {
  // Sizes in GB (10^9): unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF, unsloth/DeepSeek-R1-GGUF (the parts' sum),
  // and the safetensors of an AWQ conversion of the 7B.
  it.each([
    ['7b', 'bf16', 15.2],
    ['7b', 'q8_0', 8.1],
    ['7b', 'q6_k', 6.25],
    ['7b', 'q5_k_m', 5.44],
    ['7b', 'q4_k_m', 4.683],
    ['7b', 'q3_k_m', 3.808],
    ['7b', 'q2_k', 3.016],
    ['7b', 'awq', 5.57],
    ['671b', 'q8_0', 713],
    ['671b', 'q4_k_m', 404.3],
    ['671b', 'q3_k_m', 319.2],
    ['671b', 'q2_k', 244],
  ])('of %s in %s are within 1 %% of the published files', (name, quantization, gigabytes) => {
    const { weights } = sized(name, quantization, 1, 1);
    expect(weights / 1e9 / gigabytes).toBeGreaterThan(0.99);
    expect(weights / 1e9 / gigabytes).toBeLessThan(1.01);
  });

  it('in FP8 keep embedding and output layer at 16 bits', () => {
    // (7,615,616,512 − 1,089,994,752) × (8 + 32/16384)/8 + 1,089,994,752 × 2
    expect(sized('7b', 'fp8', 1, 1).weights).toBe(8_707_204_434);
  });
});

describe('the KV cache', () => {
  it.each([
    // llama.cpp: "KV self size = 112.00 MiB" at 2048 tokens.
    ['7b', (112 * 2 ** 20) / 2048],
    // "Insights into DeepSeek-V3" (arXiv 2505.09343), table 1: 70.272 KB; Qwen-2.5 72B, of the same shape as this 70B,
    // 327.680 KB.
    ['671b', 70_272],
    ['70b', 327_680],
    // 36 layers × 8 heads × (128 + 128) × 2 bytes
    ['8b-0528', 147_456],
  ])('of %s takes so many bytes a token', (name, bytes) => {
    expect(needOf(sized(name, 'bf16', 1, 1)).cachePerToken).toBe(bytes);
  });

  it('is 44 to 47 % less in Q8_0', () => {
    // 34 bytes for 32 values in place of 64
    expect(needOf(sized('7b', 'bf16', 1, 1, 'q8_0')).cachePerToken).toBe(57_344 * (34 / 64));
  });

  it('is for every conversation whole', () => {
    // 57,344 × 8192 × 32 = exactly 14 GiB
    expect(needOf(sized('7b', 'q4_k_m', 8192, 32)).cache).toBe(14 * GIB);
  });
});

describe('compute buffers', () => {
  // As llama.cpp reports "CUDA0 compute buffer size" for Qwen2.5 7B and Llama 3 8B.
  it.each([
    ['7b', 304],
    ['8b', 258.5],
  ])('of %s are what llama.cpp reports', (name, mebibytes) => {
    expect(needOf(sized(name, 'q4_k_m', 2048, 1)).compute / 2 ** 20).toBe(mebibytes);
  });
});

describe('several GPUs', () => {
  const overhead = (304 + 700) * 2 ** 20;

  it('share weights and heads', () => {
    const seven = sized('7b', 'q4_k_m', 8192, 32);
    expect(needPerGpu(seven, 1)).toBe(needOf(seven).total);
    expect(needPerGpu(seven, 4)).toBe(seven.weights / 4 + (14 / 4) * GIB + overhead);
  });

  it('copy heads once there are fewer heads than GPUs, and latent vectors always', () => {
    const seven = sized('7b', 'q4_k_m', 8192, 32);
    expect(needPerGpu(seven, 7)).toBe(seven.weights / 7 + (14 / 4) * GIB + overhead);
    const r1 = sized('671b', 'fp8', 8192, 32);
    const cache = 70_272 * 8192 * 32;
    expect(needPerGpu(r1, 8) - needPerGpu(r1, 16)).toBeCloseTo(r1.weights / 16, 0);
    expect(needPerGpu(r1, 8)).toBeGreaterThan(r1.weights / 8 + cache);
  });
});

describe('the published builds', () => {
  const [rtx, a100] = PUBLISHED_BUILDS as [(typeof PUBLISHED_BUILDS)[0], (typeof PUBLISHED_BUILDS)[0]];

  it.each<[string, string, number, number, string, string]>([
    ['7b', 'q4_k_m', 8192, 32, 'no', 'fits'],
    ['7b', 'q4_k_m', 8192, 8, 'fits', 'fits'],
    ['1.5b', 'bf16', 8192, 8, 'fits', 'fits'],
    ['70b', 'bf16', 8192, 8, 'no', 'fits'],
    ['671b', 'fp8', 8192, 1, 'no', 'no'],
    ['671b', 'q3_k_m', 4096, 1, 'no', 'tight'],
    ['671b', 'q2_k', 8192, 8, 'no', 'fits'],
  ])('%s in %s, %i tokens × %i: RTX 3060 %s, four A100 %s', (name, quantization, context, at, small, large) => {
    const wanted = sized(name, quantization, context, at);
    expect([fit(wanted, rtx).verdict, fit(wanted, a100).verdict]).toEqual([small, large]);
  });

  it('are told with the most that would fit instead', () => {
    const model = findModel('7b');
    const quantization = findQuantization('q4_k_m');
    const wanted = sized('7b', 'q4_k_m', 8192, 32);
    const found = Object.fromEntries(alternatives(wanted, rtx, { model, quantization }).map((a) => [a.kind, a.option]));
    // 10.8 GiB − 4.339 − 0.297 − 0.684 leave 5.480 GiB: 102,610 tokens, 3,206 for each of 32, or 12 whole contexts
    expect(found).toMatchObject({ context: '--context 3072', concurrency: '--concurrency 12' });
    expect(found).toMatchObject({ cache: '--kv-cache q4_0', model: '--model deepseek-r1-distill-qwen-1.5b' });
    for (const change of [{ context: 3072 }, { concurrency: 12 }, { cache: findCacheType('q4_0') }])
      expect(fit({ ...wanted, ...change }, rtx).verdict).toBe('fits');
    for (const change of [{ context: 3072 + 256 }, { concurrency: 13 }, { cache: findCacheType('fp8') }])
      expect(fit({ ...wanted, ...change }, rtx).verdict).not.toBe('fits');
  });

  it('are told what weights would fit, in the format that the engine reads', () => {
    const model = findModel('32b');
    const wanted = sized('32b', 'bf16', 4096, 4);
    const found = alternatives(
      wanted,
      { name: '', card: findCard('rtx-4090'), count: 1 },
      {
        model,
        quantization: findQuantization('bf16'),
      },
    );
    expect(found.filter((a) => a.kind === 'quantization').map((a) => a.option)).toEqual(['--quantization q3_k_m']);
    expect(found.some((a) => a.kind === 'context' || a.kind === 'concurrency')).toBe(false);
  });

  it('are told nothing where nothing helps', () => {
    const tiny = { name: 'tiny', card: { name: 'tiny', memory: GIB / 4 }, count: 1 };
    expect(alternatives(sized('7b', 'q4_k_m', 8192, 1), tiny, {})).toEqual([]);
  });
});

describe('cards', () => {
  it.each([
    ['NVIDIA H200', 'H200 141 GB'],
    ['NVIDIA A100-SXM4-40GB', 'A100 40 GB'],
    ['NVIDIA A100-SXM4-80GB', 'A100 80 GB'],
    ['NVIDIA A100 80GB PCIe', 'A100 80 GB'],
    ['NVIDIA H100 80GB HBM3', 'H100 80 GB'],
    ['NVIDIA GeForce RTX 3060', 'RTX 3060 12 GB'],
    ['NVIDIA L40S', 'L40S 48 GB'],
    ['NVIDIA L4', 'L4 24 GB'],
    ['Tesla T4', 'T4 16 GB'],
    ['NVIDIA A10G', 'A10 24 GB'],
  ])('%s is the %s', (product, name) => {
    expect(cardOf(product)?.name).toBe(name);
  });

  it('that are not in the table are none', () => {
    expect(cardOf('NVIDIA GeForce RTX 3060 Ti')).toBeUndefined();
    expect(cardOf('NVIDIA GeForce GT 710')).toBeUndefined();
  });

  it('are counted by powers of two that query heads can be dealt out to', () => {
    // 28 heads: not on 8.
    expect(fewest(sized('7b', 'bf16', 131_072, 32), findCard('rtx-3060'))).toBeUndefined();
    expect(fewest(sized('7b', 'q4_k_m', 8192, 32), findCard('rtx-3060'))).toMatchObject({ count: 2 });
    expect(CARDS.every((card) => fewest(sized('1.5b', 'q4_k_m', 512, 1), card)?.count === 1)).toBe(true);
  });

  it('hold more with every conversation less', () => {
    const perConversation = cachedValues(findModel('7b').config) * 2 * 8192;
    const at = (n: number) => needOf(sized('7b', 'q4_k_m', 8192, n)).total;
    expect(at(9) - at(8)).toBe(perConversation);
  });
});
