import { MODELS, type Model } from './models.js';
import type { Build, Card } from './cards.js';
import { needPerGpu, splitsEvenly, type Sized } from './memory.js';
import { CACHE_TYPES, QUANTIZATIONS, weightBytes, type CacheType, type Quantization } from './quantization.js';

/** Above this share of its memory a GPU leaves no room; vLLM takes as much by default, and an alert of ours fires. */
export const COMFORTABLE = 0.9;
/** What remains belongs to the driver: 0.4 % on an H200, more on a card that drives a screen. */
export const POSSIBLE = 0.97;

export interface Fit {
  verdict: 'fits' | 'tight' | 'no';
  /** Bytes on each GPU. */
  perGpu: number;
  /** Of each GPU's memory, from 0. */
  ratio: number;
}

export function fit(sized: Sized, build: Build): Fit {
  const perGpu = needPerGpu(sized, build.count);
  const ratio = perGpu / build.card.memory;
  return { verdict: ratio <= COMFORTABLE ? 'fits' : ratio <= POSSIBLE ? 'tight' : 'no', perGpu, ratio };
}

/** A model at a quantisation; where it came from a file, its other quantisations are not known. */
export interface Subject {
  model?: Model;
  quantization?: Quantization;
}

export interface Alternative {
  kind: 'context' | 'concurrency' | 'cache' | 'quantization' | 'model';
  /** Sentence for a person. */
  text: string;
  /** The option to give. */
  option: string;
}

/** Contexts are offered in steps of so many tokens. */
const STEP = 256;
const SMALLEST_CONTEXT = 512;

/**
 * What would fit where the wanted does not: one change each, the rest as it is. Empty where nothing does.
 */
export function alternatives(sized: Sized, build: Build, subject: Subject): Alternative[] {
  const fits = (change: Partial<Sized>) => fit({ ...sized, ...change }, build).verdict === 'fits';
  return [
    ...shorterContext(sized, fits),
    ...fewerAtOnce(sized, fits),
    ...smallerCache(sized, fits),
    ...smallerQuantization(subject, fits),
    ...smallerModel(sized, build, subject),
  ];
}

type Fits = (change: Partial<Sized>) => boolean;

function shorterContext(sized: Sized, fits: Fits): Alternative[] {
  const steps = largest(Math.floor((sized.context - 1) / STEP), (n) => fits({ context: n * STEP }));
  const context = steps * STEP;
  if (context < SMALLEST_CONTEXT) return [];
  return [{ kind: 'context', text: `a context of ${count(context)} tokens`, option: `--context ${context}` }];
}

function fewerAtOnce(sized: Sized, fits: Fits): Alternative[] {
  const concurrency = largest(sized.concurrency - 1, (n) => fits({ concurrency: n }));
  if (concurrency < 1) return [];
  return [{ kind: 'concurrency', text: `${count(concurrency)} at once`, option: `--concurrency ${concurrency}` }];
}

function smallerCache(sized: Sized, fits: Fits): Alternative[] {
  const cache = CACHE_TYPES.find((type: CacheType) => type.bytes < sized.cache.bytes && fits({ cache: type }));
  return cache ? [{ kind: 'cache', text: `a KV cache in ${cache.name}`, option: `--kv-cache ${cache.id}` }] : [];
}

/** The best of each format that the given one's engine reads; plain 16 bits are read by all. */
function smallerQuantization({ model, quantization }: Subject, fits: Fits): Alternative[] {
  if (!model || !quantization) return [];
  const formats = quantization.id === 'bf16' ? (['gguf', 'safetensors'] as const) : [quantization.format];
  return formats.flatMap((format) => {
    const found = QUANTIZATIONS.find(
      (other) =>
        other.format === format &&
        other.bits < quantization.bits &&
        fits({ weights: weightBytes(model.parameters, other, model.experts) }),
    );
    if (!found) return [];
    const loss = found.loss === 'much' ? ' (answers suffer much)' : '';
    return [
      { kind: 'quantization' as const, text: `${found.name} weights${loss}`, option: `--quantization ${found.id}` },
    ];
  });
}

/** The largest one of the family, at the same quantisation, where the wanted one fits in no way. */
function smallerModel(sized: Sized, build: Build, { model, quantization }: Subject): Alternative[] {
  if (!model || !quantization) return [];
  const found = MODELS.filter((other) => other.parameters.total < model.parameters.total)
    .toReversed()
    .find((other) => {
      const weights = weightBytes(other.parameters, quantization, other.experts);
      const candidate = { ...sized, architecture: other.config, weights };
      return splitsEvenly(other.config, build.count) && fit(candidate, build).verdict === 'fits';
    });
  return found ? [{ kind: 'model', text: `${found.name} instead`, option: `--model ${found.id}` }] : [];
}

/** The largest of 0 to `top` that holds, where all smaller ones hold too. */
function largest(top: number, holds: (n: number) => boolean): number {
  let low = 0;
  let high = Math.max(top, 0);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

const count = (n: number): string => n.toLocaleString('en-US');

/** The fewest GPUs of a kind, of 1, 2, 4 and 8 in one machine, that hold it; `undefined` where 8 do not. */
export function fewest(sized: Sized, card: Pick<Card, 'name' | 'memory'>): (Fit & { count: number }) | undefined {
  for (const gpus of [1, 2, 4, 8]) {
    if (!splitsEvenly(sized.architecture, gpus)) continue;
    const result = fit(sized, { name: card.name, card, count: gpus });
    if (result.verdict === 'fits') return { ...result, count: gpus };
  }
  return undefined;
}
