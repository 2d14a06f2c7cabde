import { GgufError, type GgufHeader } from '@vigil/gguf';

/** What llama.cpp takes for granted in a transformer: where one is missing, it aborts the process. */
const COUNTS = [
  'block_count',
  'context_length',
  'embedding_length',
  'feed_forward_length',
  'attention.head_count',
] as const;
const EPSILONS = ['attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon'] as const;
/** Architectures without attention or feed-forward part have other keys; the engine's process tells about those. */
const TRANSFORMERS = /^(qwen2|qwen2moe|qwen3|qwen3moe|llama|deepseek|deepseek2)$/;

/**
 * Whether a file's header promises a model that can be loaded.
 * @returns its architecture
 * @throws GgufError with what is missing
 */
export function checkHeader({ metadata, tensors }: GgufHeader): string {
  const architecture = metadata.get('general.architecture');
  if (typeof architecture !== 'string' || architecture === '') throw missing('general.architecture');
  // The first of several parts may be a header alone.
  if (tensors === 0 && !(Number(metadata.get('split.count')) > 1))
    throw new GgufError('is a GGUF file without weights');
  if (TRANSFORMERS.test(architecture)) {
    for (const name of COUNTS) {
      const key = `${architecture}.${name}`;
      // Some models give one number a layer.
      const value = metadata.get(key) ?? metadata.get(`${key}.length`);
      if (!(Number(value) > 0)) throw missing(key);
    }
    if (!EPSILONS.some((name) => metadata.has(`${architecture}.${name}`)))
      throw missing(`${architecture}.${EPSILONS[0]}`);
  }
  if (!metadata.has('tokenizer.ggml.model')) throw missing('tokenizer.ggml.model');
  if (!metadata.get('tokenizer.ggml.tokens.length')) throw missing('tokenizer.ggml.tokens');
  return architecture;
}

const missing = (key: string): GgufError => new GgufError(`is a GGUF file that lacks ${key}, so it can not be loaded`);
