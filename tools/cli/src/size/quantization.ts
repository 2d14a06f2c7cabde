import { UserError } from '@vigil/service';
import type { Parameters } from './architecture.js';

export interface Quantization {
  id: string;
  name: string;
  /** Who reads it: llama.cpp (GGUF) or vLLM and SGLang (safetensors). */
  format: 'gguf' | 'safetensors';
  /** Bits a weight, the mean over a dense model. */
  bits: number;
  /** The same for R1 671B, whose experts are quantised more coarsely. */
  expertBits?: number;
  /** Embedding and output layer stay at this, where it differs. */
  embeddingBits?: number;
  /** What its use costs. */
  loss: 'none' | 'little' | 'some' | 'much';
}

/**
 * GGUF: llama.cpp's own table for an 8B model (tools/quantize/README.md, "bits/weight"); for R1 671B the published
 * files of unsloth/DeepSeek-R1-GGUF (404.3, 319.2 and 244.0 GB) over 671.03 billion parameters. FP8: one 32-bit scale
 * for each block of 128 × 128 (DeepSeek-V3 technical report, 3.3.2). AWQ and GPTQ: 4 bits and for each group of 128 a
 * 16-bit scale and a 4-bit zero point.
 */
export const QUANTIZATIONS: readonly Quantization[] = [
  { id: 'bf16', name: 'BF16', format: 'safetensors', bits: 16, loss: 'none' },
  { id: 'q8_0', name: 'Q8_0', format: 'gguf', bits: 8.5008, loss: 'little' },
  { id: 'fp8', name: 'FP8', format: 'safetensors', bits: 8 + 32 / 128 ** 2, embeddingBits: 16, loss: 'little' },
  { id: 'q6_k', name: 'Q6_K', format: 'gguf', bits: 6.5633, loss: 'little' },
  { id: 'q5_k_m', name: 'Q5_K_M', format: 'gguf', bits: 5.7036, loss: 'little' },
  { id: 'q4_k_m', name: 'Q4_K_M', format: 'gguf', bits: 4.8944, expertBits: 4.82, loss: 'some' },
  { id: 'awq', name: 'AWQ 4 bit', format: 'safetensors', bits: 4 + 20 / 128, embeddingBits: 16, loss: 'some' },
  { id: 'gptq', name: 'GPTQ 4 bit', format: 'safetensors', bits: 4 + 20 / 128, embeddingBits: 16, loss: 'some' },
  { id: 'q3_k_m', name: 'Q3_K_M', format: 'gguf', bits: 3.996, expertBits: 3.806, loss: 'much' },
  { id: 'q2_k', name: 'Q2_K', format: 'gguf', bits: 3.1593, expertBits: 2.909, loss: 'much' },
];

const ALIASES: Readonly<Record<string, string>> = { f16: 'bf16', fp16: 'bf16', q4: 'q4_k_m', int4: 'awq' };

/** @throws UserError that names those known */
export function findQuantization(given: string): Quantization {
  const id = given.trim().toLowerCase().replaceAll('-', '_');
  const found = QUANTIZATIONS.find((q) => q.id === (ALIASES[id] ?? id));
  if (found) return found;
  const known = QUANTIZATIONS.map((q) => q.id).join(', ');
  throw new UserError(`There is no quantisation "${given}" in the table. Known are ${known}.`);
}

/** Bytes of a model's weights. */
export function weightBytes(parameters: Parameters, quantization: Quantization, experts = false): number {
  const bits = (experts ? quantization.expertBits : undefined) ?? quantization.bits;
  const embeddingBits = quantization.embeddingBits ?? bits;
  return Math.ceil(((parameters.total - parameters.embedding) * bits + parameters.embedding * embeddingBits) / 8);
}

export interface CacheType {
  id: string;
  name: string;
  /** Bytes of one value. */
  bytes: number;
}

/** Types of the KV cache. ggml's blocks of 32 values: 34 bytes as Q8_0, 18 as Q4_0. */
export const CACHE_TYPES: readonly CacheType[] = [
  { id: 'f16', name: 'F16', bytes: 2 },
  { id: 'q8_0', name: 'Q8_0', bytes: 34 / 32 },
  { id: 'fp8', name: 'FP8', bytes: 1 },
  { id: 'q4_0', name: 'Q4_0', bytes: 18 / 32 },
];

/** @throws UserError that names those known */
export function findCacheType(given: string): CacheType {
  const id = given.trim().toLowerCase();
  const found = CACHE_TYPES.find((type) => type.id === (id === 'bf16' || id === 'fp16' ? 'f16' : id));
  if (found) return found;
  throw new UserError(
    `There is no KV cache type "${given}" in the table. Known are ${CACHE_TYPES.map((t) => t.id).join(', ')}.`,
  );
}
