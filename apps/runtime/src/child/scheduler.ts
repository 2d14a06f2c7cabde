import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import type { Sampling } from '../engine/protocol.js';

/** One answer to be computed. */
export interface Job {
  id: number;
  prompt: readonly Token[];
  sampling: Sampling;
  /** A part of the prompt, of so many tokens, was read. */
  onPrefilled: (tokens: number) => void;
  /** Takes each token as it comes; `false` ends the job. */
  onToken: (token: Token) => boolean;
}

/** Who decides which sequence computes what, and when. */
export interface Scheduler {
  /** Resolves once the job has ended and its sequence is free again: true when it was cancelled. */
  run(job: Job): Promise<boolean>;
  /** The job's next step is not taken. Unknown ids are ignored. */
  cancel(id: number): void;
}

/**
 * The simple scheduler: a loop of its own for each job, at the lowest free sequence. llama.cpp merges what happens to
 * be asked for at once.
 */
export class LoopScheduler implements Scheduler {
  private readonly free: number[];
  private readonly cancelled = new Set<number>();
  private readonly running = new Set<number>();

  /**
   * @param sequences all of one context
   * @param chunk tokens of a prompt that are read in one step
   */
  constructor(
    private readonly sequences: readonly LlamaContextSequence[],
    private readonly chunk: number,
  ) {
    this.free = sequences.map((_, slot) => slot);
  }

  cancel(id: number): void {
    if (this.running.has(id)) this.cancelled.add(id);
  }

  async run(job: Job): Promise<boolean> {
    const slot = this.free.shift();
    if (slot === undefined) throw new Error('More requests than slots.');
    this.running.add(job.id);
    try {
      await this.generate(job, this.sequences[slot]!);
      return this.cancelled.has(job.id);
    } finally {
      this.running.delete(job.id);
      this.cancelled.delete(job.id);
      this.free.push(slot);
      this.free.sort((a, b) => a - b);
    }
  }

  private async generate(job: Job, sequence: LlamaContextSequence): Promise<void> {
    const { prompt, id } = job;
    await sequence.clearHistory();
    let read = 0;
    for (; prompt.length - read > this.chunk; read += this.chunk) {
      if (this.cancelled.has(id)) return;
      await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(read, read + this.chunk));
      job.onPrefilled(this.chunk);
    }
    if (this.cancelled.has(id)) return;
    const said: Token[] = [];
    const tokens = sequence.evaluate(prompt.slice(read), evaluationOptions(job.sampling, said));
    try {
      for (;;) {
        const { value, done } = await tokens.next();
        if (done || this.cancelled.has(id)) return;
        said.push(value);
        if (!job.onToken(value)) return;
      }
    } finally {
      await tokens.return();
    }
  }
}

/** node-llama-cpp's own presets differ from OpenAI's, so everything is said. */
function evaluationOptions(sampling: Sampling, said: readonly Token[]) {
  const { temperature, topP, topK, minP, seed, frequencyPenalty, presencePenalty } = sampling;
  const penalised = frequencyPenalty !== 0 || presencePenalty !== 0;
  return {
    temperature,
    topP,
    topK,
    minP,
    seed,
    yieldEogToken: true,
    ...(penalised && {
      repeatPenalty: { punishTokens: () => [...said], penalty: 1, frequencyPenalty, presencePenalty },
    }),
  };
}
