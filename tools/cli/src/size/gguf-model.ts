import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GgufError, readGgufHeader, type GgufHeader } from '@vigil/gguf';
import { errorMessage, UserError } from '@vigil/service';
import type { Architecture, Attention } from './architecture.js';
import { MODELS, type Model } from './models.js';
import { QUANTIZATIONS, type Quantization } from './quantization.js';

export interface GgufModel {
  name: string;
  architecture: Architecture;
  /** Bytes of the file, of all its parts where it has several. */
  weights: number;
  /** As the header names it, such as `Q4_K_M`; `undefined` where it does not. */
  quantization: string | undefined;
  /** The same in our table. */
  known: Quantization | undefined;
  /** The model of the family that has this shape. */
  model: Model | undefined;
}

/**
 * What a GGUF file's header says of its memory.
 * @throws UserError where there is no such file, or it is none that can be sized
 */
export async function readGgufModel(path: string): Promise<GgufModel> {
  try {
    const header = await readGgufHeader(path);
    const architecture = architectureOf(header);
    const quantization = FILE_TYPES[Number(header.metadata.get('general.file_type'))];
    return {
      name: basename(path)
        .replace(/\.gguf$/i, '')
        .replace(PART, ''),
      architecture,
      weights: await sizeOf(path),
      quantization,
      known: QUANTIZATIONS.find((q) => q.name === quantization || (q.id === 'bf16' && quantization === 'F16')),
      model: MODELS.find(
        ({ config }) =>
          config.layers === architecture.layers &&
          config.hidden === architecture.hidden &&
          config.heads === architecture.heads,
      ),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof GgufError ? error.message : `can not be read: ${errorMessage(error)}`;
    throw new UserError(`The model file ${path} ${reason}. Give --gguf another file.`);
  }
}

const PART = /-(\d{5})-of-(\d{5})$/;

/** Bytes of a file and of the parts beside it. */
async function sizeOf(path: string): Promise<number> {
  const folder = dirname(path);
  const [stem, extension] = [basename(path).replace(/\.gguf$/i, ''), basename(path).slice(-5)];
  const parts = PART.exec(stem);
  if (!parts) return (await stat(path)).size;
  const start = stem.slice(0, parts.index);
  const names = (await readdir(folder)).filter(
    (name) => name.startsWith(`${start}-`) && name.endsWith(`-of-${parts[2]}${extension}`),
  );
  const wanted = Number(parts[2]);
  if (names.length !== wanted)
    throw new UserError(
      `${path} is one part of ${wanted}, and ${names.length} of them lie in ${folder}. Download the others.`,
    );
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** @throws GgufError where a figure is missing that memory follows from */
export function architectureOf({ metadata }: GgufHeader): Architecture {
  const family = String(metadata.get('general.architecture') ?? '');
  const figure = (name: string): number | undefined => {
    const value = Number(metadata.get(`${family}.${name}`) ?? Number.NaN);
    return Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  const needed = (name: string): number => {
    const value = figure(name);
    if (value === undefined) throw new GgufError(`does not say ${family || 'general'}.${name}, so it can not be sized`);
    return value;
  };
  const vocabulary = Number(metadata.get('tokenizer.ggml.tokens.length') ?? figure('vocab_size') ?? 0);
  if (vocabulary === 0) throw new GgufError('does not say how many tokens it knows, so it can not be sized');
  const hidden = needed('embedding_length');
  const heads = needed('attention.head_count');
  return {
    layers: needed('block_count'),
    hidden,
    heads,
    vocabulary,
    maxContext: needed('context_length'),
    attention: attentionOf(figure, hidden / heads, heads),
  };
}

/**
 * Files of R1 and V3 made since llama.cpp has latent attention say `key_length_mla`; of older ones llama.cpp caches
 * every head's keys and values.
 */
function attentionOf(figure: (name: string) => number | undefined, headLength: number, heads: number): Attention {
  const latent = figure('attention.kv_lora_rank');
  const rope = figure('rope.dimension_count');
  if (latent !== undefined && rope !== undefined && figure('attention.key_length_mla') !== undefined)
    return { kind: 'latent', latent, rope };
  return {
    kind: 'heads',
    keyValueHeads: figure('attention.head_count_kv') ?? heads,
    keyLength: figure('attention.key_length') ?? headLength,
    valueLength: figure('attention.value_length') ?? headLength,
  };
}

/** `general.file_type`: `llama_ftype` of llama.cpp's llama.h. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  32: 'BF16',
};
