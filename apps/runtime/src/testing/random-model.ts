import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Token } from 'node-llama-cpp';
import type { NativeContext } from '../child/binding.js';
import type { Job } from '../child/job.js';
import { Lane, type LaneOptions } from '../child/lane.js';
import { BATCH, load, lonelyFrom, type Loaded } from '../child/llama.js';
import { TokenChooser } from '../child/sampling.js';
import { StepScheduler } from '../child/scheduler.js';
import type { AnswerLogprob, LoadOptions, Sampling } from '../engine/protocol.js';

/** Bytes of a model as a file. */
export async function modelFile(bytes: Uint8Array): Promise<{ path: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-random-'));
  const path = join(folder, 'random.gguf');
  await writeFile(path, bytes);
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}

export const LOAD: Omit<LoadOptions, 'path'> = {
  gpu: 'none',
  gpuLayers: 0,
  threads: 1,
  contextSize: 2048,
  sequences: 8,
  batch: { min: 8, max: 8, targetSeconds: 0.2 },
  kvCacheType: 'f16',
  flashAttention: true,
  reasoningBudget: 0,
  loopGuard: 'off',
};

/** A model in this very process, with lanes over its contexts. For tests of what a real transformer's numbers do. */
export class RandomEngine {
  private constructor(
    readonly loaded: Loaded,
    private readonly remove: () => Promise<void>,
  ) {}

  static async start(bytes: Uint8Array, change: Partial<LoadOptions> = {}): Promise<RandomEngine> {
    const { path, remove } = await modelFile(bytes);
    const loaded = await load({ ...LOAD, ...change, path }, () => undefined);
    return new RandomEngine(loaded, remove);
  }

  /** A lane with empty slots; never two of one context at once. */
  lane(change: Partial<LaneOptions> = {}, context = 0): Lane {
    const { llama, model, contexts, info } = this.loaded;
    const { native, sequences } = contexts[context]!;
    for (let sequence = 0; sequence < sequences; sequence++) native.disposeSequence(sequence);
    return new Lane({
      native,
      sequences,
      contextSize: info.contextSize,
      piece: 64,
      batchSize: BATCH,
      readsTogether: true,
      targetSeconds: 0.2,
      widestGap: 0,
      lonelyFrom: lonelyFrom(info, LOAD as LoadOptions),
      rowsApart: false,
      chooser: (job) => new TokenChooser(llama, model, job.sampling, job.logprobs),
      threads: threads(1),
      load: () => 1,
      onStep: () => undefined,
      onReuse: () => undefined,
      onFailure: () => undefined,
      onPause: () => undefined,
      ...change,
    });
  }

  get native(): NativeContext {
    return this.loaded.contexts[0]!.native;
  }

  /** llama.cpp ends with the process of the test: its own `dispose` can wait for ever. */
  stop(): Promise<void> {
    return this.remove();
  }
}

/** Always so many threads for a batch that reads a prompt, else one. */
export const threads = (reading: number): LaneOptions['threads'] => ({
  choose: (tokens) => (tokens > 1 ? reading : 1),
  took: () => undefined,
  most: 1,
});

export interface Asked {
  prompt: readonly number[];
  tokens: number;
  sampling: Partial<Sampling>;
  logprobs: number;
  reproducible: boolean;
  seeded: boolean;
}

let ids = 0;

/**
 * Computes one answer, in a lane or the one that a scheduler chooses. `said` grows while it does; `ended` says how it ended
 * where it did not by itself.
 */
export function generate(by: Lane | StepScheduler, asked: Partial<Asked> = {}) {
  const { prompt = [1, 2, 3], tokens = 20, sampling, logprobs, reproducible = true, seeded = reproducible } = asked;
  const said: number[] = [];
  const explained: AnswerLogprob[] = [];
  const prefilled: number[] = [];
  let settle: (end: 'cancelled' | Error | undefined) => void;
  const ended = new Promise<'cancelled' | Error | undefined>((resolve) => (settle = resolve));
  const job: Job = {
    id: ++ids,
    prompt: prompt as Token[],
    sampling: {
      temperature: 1,
      topP: 0.95,
      topK: 0,
      minP: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      seed: 1,
      ...sampling,
    },
    logprobs,
    reproducible,
    seeded,
    grammar: () => undefined,
    onPrefilled: (count) => prefilled.push(count),
    onToken: (token, logprob) => {
      said.push(token);
      if (logprob) explained.push(logprob);
      if (said.length < tokens) return token;
      settle(undefined);
      return undefined;
    },
    onEnd: (how) => settle(how),
  };
  if (by instanceof StepScheduler) by.start(job);
  else by.start(job, by.place(job)!);
  return { id: job.id, said, explained, prefilled, ended };
}
