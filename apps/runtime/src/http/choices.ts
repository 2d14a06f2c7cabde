import type { Engine } from '../engine/engine.js';
import type { Generation, GenerationEvent } from '../engine/generation.js';
import type { GenerationRequest, Usage } from '../engine/protocol.js';
import type { ApiError } from '../errors.js';

/** The highest seed that llama.cpp takes is "random" there. */
const SEEDS = 2 ** 32 - 1;

/** All answers to one request: each of its prompts is answered `n` times. */
export class Choices {
  private readonly generations: Generation[] = [];
  private readonly prompts: number;

  /** @throws ApiError when the engine does not take all of them; then it answers none */
  constructor(
    engine: Engine,
    requests: readonly GenerationRequest[],
    private readonly n: number,
    owner: number | undefined,
  ) {
    this.prompts = requests.length;
    try {
      for (const request of requests)
        for (let i = 0; i < n; i++) this.generations.push(engine.generate(withSeed(request, i), owner));
    } catch (error) {
      this.cancel(error as ApiError);
      throw error;
    }
  }

  get count(): number {
    return this.generations.length;
  }

  /** A prompt counts once, however many answers it gets. */
  get usage(): Usage {
    const total = { input: 0, output: 0, reasoning: 0 };
    this.generations.forEach(({ usage }, i) => {
      if (i % this.n === 0) total.input += Math.max(...this.ofPrompt(i / this.n).map((g) => g.usage.input));
      total.output += usage.output;
      total.reasoning += usage.reasoning;
    });
    return total;
  }

  /** What was read, answer by answer: the work that was done. */
  get work(): Usage {
    return { ...this.usage, input: this.generations.reduce((sum, { usage }) => sum + usage.input, 0) };
  }

  cancel(reason: ApiError): void {
    for (const generation of this.generations) generation.cancel(reason);
  }

  /**
   * What happens to all of them, as it happens.
   * @throws ApiError when one fails
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<{ index: number; event: GenerationEvent }, void> {
    if (this.count === 1) {
      for await (const event of this.generations[0]!) yield { index: 0, event };
      return;
    }
    const iterators = this.generations.map((generation) => generation[Symbol.asyncIterator]());
    const next = async (index: number) => ({ index, result: await iterators[index]!.next() });
    const pending = new Map(iterators.map((_, index) => [index, next(index)]));
    // One that fails is awaited below; the others may then fail unheard.
    for (const promise of pending.values()) promise.catch(() => undefined);
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(index);
      else {
        yield { index, event: result.value };
        const following = next(index);
        following.catch(() => undefined);
        pending.set(index, following);
      }
    }
  }

  private ofPrompt(prompt: number): Generation[] {
    return prompt < this.prompts ? this.generations.slice(prompt * this.n, (prompt + 1) * this.n) : [];
  }
}

/** The answers of one prompt differ in their seeds only. */
function withSeed(request: GenerationRequest, answer: number): GenerationRequest {
  if (answer === 0) return request;
  const { sampling } = request;
  return { ...request, sampling: { ...sampling, seed: (sampling.seed + answer) % SEEDS } };
}
