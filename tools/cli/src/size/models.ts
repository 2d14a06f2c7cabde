import { UserError } from '@vigil/service';
import { countParameters, type ModelConfig, type Parameters } from './architecture.js';

export interface Model {
  id: string;
  /** As published, `deepseek-ai/…` left out. */
  name: string;
  /** What Ollama and people call it. */
  short: string;
  config: ModelConfig;
  parameters: Parameters;
  /** Whether most of its weights are experts, which quantise differently. */
  experts: boolean;
}

const heads = (keyValueHeads: number) => ({ kind: 'heads', keyValueHeads, keyLength: 128, valueLength: 128 }) as const;

/** Figures: the models' `config.json` at https://huggingface.co/deepseek-ai. */
const CONFIGS: Readonly<Record<string, ModelConfig>> = {
  'DeepSeek-R1-Distill-Qwen-1.5B': qwen2(28, 1536, 12, 2, 8960, 151_936),
  'DeepSeek-R1-Distill-Qwen-7B': qwen2(28, 3584, 28, 4, 18_944, 152_064),
  'DeepSeek-R1-Distill-Llama-8B': llama(32, 4096, 32, 14_336),
  'DeepSeek-R1-0528-Qwen3-8B': {
    ...dense(36, 4096, 32, 8, 12_288, 151_936),
    attentionNorms: true,
  },
  'DeepSeek-R1-Distill-Qwen-14B': qwen2(48, 5120, 40, 8, 13_824, 152_064),
  'DeepSeek-R1-Distill-Qwen-32B': qwen2(64, 5120, 40, 8, 27_648, 152_064),
  'DeepSeek-R1-Distill-Llama-70B': llama(80, 8192, 64, 28_672),
  'DeepSeek-R1': {
    layers: 61,
    hidden: 7168,
    heads: 128,
    headLength: 128,
    queryRank: 1536,
    vocabulary: 129_280,
    maxContext: 163_840,
    attention: { kind: 'latent', latent: 512, rope: 64 },
    feedForward: { kind: 'experts', firstDense: 3, denseWidth: 18_432, width: 2048, experts: 256, shared: 1 },
  },
};

function dense(
  layers: number,
  hidden: number,
  queryHeads: number,
  keyValueHeads: number,
  width: number,
  vocabulary: number,
): ModelConfig {
  return {
    layers,
    hidden,
    heads: queryHeads,
    headLength: 128,
    vocabulary,
    maxContext: 131_072,
    attention: heads(keyValueHeads),
    feedForward: { kind: 'dense', width },
  };
}

function qwen2(...figures: DenseFigures): ModelConfig {
  return { ...dense(...figures), attentionBias: true };
}

function llama(layers: number, hidden: number, queryHeads: number, width: number): ModelConfig {
  return dense(layers, hidden, queryHeads, 8, width, 128_256);
}

type DenseFigures = [number, number, number, number, number, number];

const SHORT: Readonly<Record<string, string>> = {
  'DeepSeek-R1': '671b',
  'DeepSeek-R1-0528-Qwen3-8B': '8b-0528',
};

/** The R1 family, smallest first. */
export const MODELS: readonly Model[] = Object.entries(CONFIGS).map(([name, config]) => ({
  id: name.toLowerCase(),
  name,
  short: SHORT[name] ?? /[\d.]+B$/.exec(name)![0].toLowerCase(),
  config,
  parameters: countParameters(config),
  experts: config.feedForward.kind === 'experts',
}));

/** Other names of the 671B weights, which have the same shape. */
const ALIASES: Readonly<Record<string, string>> = {
  'deepseek-r1-671b': 'deepseek-r1',
  'deepseek-r1-0528': 'deepseek-r1',
  'deepseek-r1-zero': 'deepseek-r1',
  'deepseek-v3': 'deepseek-r1',
  'deepseek-v3-0324': 'deepseek-r1',
  'deepseek-v3.1': 'deepseek-r1',
};

/**
 * A model by its published name, with or without its publisher and in any case, by `deepseek-r1:7b` as Ollama has it,
 * or by `7b`.
 * @throws UserError that names those known
 */
export function findModel(given: string): Model {
  const name = given.trim().toLowerCase().split('/').at(-1)!;
  const plain = ALIASES[name] ?? name;
  const short = plain.replace(/^deepseek-r1:/, '');
  const found = MODELS.find((model) => model.id === plain || model.short === short);
  if (found) return found;
  const known = MODELS.map((model) => model.id).join(', ');
  throw new UserError(
    `There is no model "${given}" in the table of the R1 family. Known are ${known}. For any other, give --gguf FILE.`,
  );
}
