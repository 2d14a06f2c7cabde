import { cachedValues, type Architecture } from './architecture.js';
import type { CacheType } from './quantization.js';

/** What is to be served, and how. */
export interface Load {
  /** Of one conversation: prompt and answer together, in tokens. */
  context: number;
  /** Conversations at once, each with a whole context. */
  concurrency: number;
  cache: CacheType;
}

export interface Sized extends Load {
  architecture: Architecture;
  /** Bytes of the weights. */
  weights: number;
}

/** Bytes; all GPUs together where nothing else is said. */
export interface Need {
  weights: number;
  /** The KV cache as one GPU would hold it. */
  cache: number;
  /** Of one token, all layers together. */
  cachePerToken: number;
  /** Working memory of each GPU: the logits and the activations of one batch. */
  compute: number;
  /** What CUDA takes of each GPU: its context, kernels and the workspace of cuBLAS. */
  context: number;
  /** On one GPU. */
  total: number;
  /** The usual rule of thumb: 1.5 × weights. */
  ruleOfThumb: number;
}

/** llama.cpp's `n_ubatch`: tokens of a prompt that are computed at once. */
const BATCH_TOKENS = 512;
/**
 * Measured on an H100 (driver 580, CUDA 13, PyTorch 2.11): 619 MiB with a context, 693 MiB once a matrix product and an
 * attention have run, beside what the program allocated. Smaller cards take less.
 */
export const CUDA_BYTES = 700 * 2 ** 20;

/**
 * Memory that a model takes: weights + KV cache + compute buffers + CUDA. Compute buffers after llama.cpp with flash
 * attention: one row of logits and one of activations, 4 bytes a value, for each token of a batch. It gives 304.0 MiB
 * for Qwen2.5 7B and 258.5 MiB for Llama 3 8B, as llama.cpp reports them ("CUDA0 compute buffer size").
 */
export function needOf(sized: Sized): Need {
  const { architecture, context, concurrency, cache, weights } = sized;
  const cachePerToken = cachedValues(architecture) * cache.bytes;
  const cacheBytes = cachePerToken * context * concurrency;
  const compute = BATCH_TOKENS * 4 * (architecture.vocabulary + architecture.hidden);
  return {
    weights,
    cache: cacheBytes,
    cachePerToken,
    compute,
    context: CUDA_BYTES,
    total: weights + cacheBytes + compute + CUDA_BYTES,
    ruleOfThumb: 1.5 * weights,
  };
}

/**
 * Bytes on each of several GPUs under tensor parallelism. Weights split evenly. Heads of keys and values split until
 * each GPU has one, and are copied from there on; the compressed vectors of R1 and V3 belong to all heads, so every GPU
 * holds all of them (vLLM, "Parallelism and Scaling"; llama.cpp, which splits by layers, needs less).
 */
export function needPerGpu(sized: Sized, gpus: number): number {
  const { attention } = sized.architecture;
  const need = needOf(sized);
  const shares = attention.kind === 'latent' ? 1 : Math.min(gpus, attention.keyValueHeads);
  return need.weights / gpus + need.cache / shares + need.compute + need.context;
}

/** Whether query heads can be dealt out evenly, as tensor parallelism needs. */
export function splitsEvenly({ heads }: Architecture, gpus: number): boolean {
  return heads % gpus === 0;
}
