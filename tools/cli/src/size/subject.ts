import { UserError } from '@vigil/service';
import { number } from '../text.js';
import type { Subject } from './fit.js';
import { readGgufModel } from './gguf-model.js';
import type { Load, Sized } from './memory.js';
import { findModel } from './models.js';
import { findCacheType, findQuantization, weightBytes } from './quantization.js';

/** What a person names: a model of the table or a file, and how it is to be served. */
export interface SizeOptions {
  model?: string | undefined;
  gguf?: string | undefined;
  quantization?: string | undefined;
  context?: number | undefined;
  concurrency?: number | undefined;
  cache?: string | undefined;
}

export interface Named extends Subject {
  /** As to be shown. */
  name: string;
  /** Such as `Q4_K_M`. */
  weightsAre: string;
  /** Where the weights' size comes from. */
  weightsFrom: string;
  sized: Sized;
  notes: string[];
}

export const DEFAULT_CONTEXT = 8192;
export const DEFAULT_CONCURRENCY = 8;

/**
 * Weights of the table are taken at Q4_K_M, what most people serve with llama.cpp, unless another quantisation is named.
 * @throws UserError where the model is not known, or the file can not be sized
 */
export async function resolveSubject(options: SizeOptions): Promise<Named> {
  const load: Load = {
    context: options.context ?? DEFAULT_CONTEXT,
    concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
    cache: findCacheType(options.cache ?? 'f16'),
  };
  const named = options.gguf === undefined ? fromTable(options, load) : await fromFile(options, load);
  const { maxContext } = named.sized.architecture;
  if (load.context > maxContext)
    named.notes.push(
      `The model was trained on ${number(maxContext)} tokens: a context of ${number(load.context)} is more than it knows.`,
    );
  return named;
}

function fromTable(options: SizeOptions, load: Load): Named {
  if (options.model === undefined)
    throw new UserError('Name a model (--model deepseek-r1-distill-qwen-7b) or a file (--gguf FILE).');
  const model = findModel(options.model);
  const quantization = findQuantization(options.quantization ?? 'q4_k_m');
  const weights = weightBytes(model.parameters, quantization, model.experts);
  const bits = (weights * 8) / model.parameters.total;
  return {
    name: model.name,
    weightsAre: quantization.name,
    weightsFrom: `${number(Math.round(model.parameters.total / 1e7) / 100)} billion × ${bits.toFixed(2)} bits`,
    sized: { ...load, architecture: model.config, weights },
    model,
    quantization,
    notes: [],
  };
}

async function fromFile(options: SizeOptions, load: Load): Promise<Named> {
  if (options.model !== undefined) throw new UserError('Give --model or --gguf, not both.');
  if (options.quantization !== undefined)
    throw new UserError('--quantization goes with --model: a GGUF file has a quantisation already.');
  const file = await readGgufModel(options.gguf!);
  return {
    name: file.name,
    weightsAre: file.quantization ?? 'GGUF',
    weightsFrom: 'the size of the file',
    sized: { ...load, architecture: file.architecture, weights: file.weights },
    ...(file.model && file.known && { model: file.model, quantization: file.known }),
    notes: [],
  };
}
