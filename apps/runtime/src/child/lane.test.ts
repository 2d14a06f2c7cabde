import { buildRandomModel, RANDOM_TINY } from '@vigil/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate, RandomEngine, type Asked, threads } from '../testing/random-model.js';
import type { NativeContext } from './binding.js';
import { OutOfMemoryError } from './job.js';
import type { Lane, LaneOptions } from './lane.js';

let engine: RandomEngine;
beforeAll(async () => {
  engine = await RandomEngine.start(buildRandomModel(RANDOM_TINY));
});
afterAll(() => engine.stop());

const prompt = (length: number, from = 0) => Array.from({ length }, (_, i) => (from + i * 37) % 250);
const text = async (options: Partial<LaneOptions>, asked: Partial<Asked>) => {
  const answer = generate(engine.lane(options), asked);
  expect(await answer.ended).toBeUndefined();
  return answer.said;
};

/** The context with something in between, as a GPU without memory can not be had. */
const between = (change: Partial<NativeContext>): NativeContext => {
  const native = engine.native;
  return new Proxy(native, {
    get: (target, key) => {
      const found = (change as Record<PropertyKey, unknown>)[key] ?? Reflect.get(target, key);
      return typeof found === 'function' && found === Reflect.get(target, key) ? found.bind(target) : found;
    },
  });
};

describe('the same seed gives the same text', () => {
  const asked = { prompt: prompt(100), tokens: 150, sampling: { seed: 5 } };
  let alone: number[];
  beforeAll(async () => {
    alone = await text({}, asked);
  });

  it('again, and another seed another', async () => {
    expect(await text({}, asked)).toEqual(alone);
    expect(await text({}, { ...asked, sampling: { seed: 6 } })).not.toEqual(alone);
    expect(new Set(alone).size).toBeGreaterThan(50);
  });

  it('in company that comes and goes', async () => {
    const lane = engine.lane();
    const early = [1, 2, 3].map((n) => generate(lane, { prompt: prompt(50 * n, n), tokens: 40 * n }));
    const answer = generate(lane, asked);
    const late = [4, 5, 6].map((n) => generate(lane, { prompt: prompt(300, n), tokens: 30 * n }));
    await Promise.all([...early, answer, ...late].map(({ ended }) => ended));
    expect(answer.said).toEqual(alone);
  });

  it('with rows between sequences filled up', async () => {
    const lane = engine.lane({ widestGap: 16 });
    const answers = [1, 2, 3].map((n) => generate(lane, { prompt: prompt(20, n), tokens: n === 2 ? 3 : 200 }));
    const answer = generate(lane, asked);
    await Promise.all([...answers, answer].map(({ ended }) => ended));
    expect(answer.said).toEqual(alone);
  });

  it('on more threads for the prompt', async () => {
    expect(await text({ threads: threads(2) }, asked)).toEqual(alone);
  });

  describe('far into a text, where several threads part it among them', () => {
    const far = { prompt: prompt(600), tokens: 16, sampling: { seed: 5 } };
    const several = (count: number): LaneOptions['threads'] => ({
      choose: () => count,
      took: () => undefined,
      most: count,
    });
    let one: number[];
    beforeAll(async () => {
      one = await text({}, far);
    });

    it('by itself on two, of which one does what is by itself', async () => {
      expect(await text({ threads: several(2) }, far)).toEqual(one);
    });

    it('by itself on four, which compute an idle row beside it', async () => {
      const choose = (tokens: number) => (tokens === 1 ? 4 : 1);
      expect(await text({ threads: { ...several(4), choose } }, far)).toEqual(one);
    });

    it('in company that comes and goes', async () => {
      const lane = engine.lane({ threads: several(2) });
      const early = [1, 2].map((n) => generate(lane, { prompt: prompt(20 * n, n), tokens: 12 * n }));
      const answer = generate(lane, far);
      const late = generate(lane, { prompt: prompt(300, 4), tokens: 5 });
      await Promise.all([...early, answer, late].map(({ ended }) => ended));
      expect(answer.said).toEqual(one);
    });

    it('and would not be the same otherwise, so that this is worth its price', async () => {
      expect(await text({ threads: several(2), lonelyFrom: Infinity }, far)).not.toEqual(one);
    });
  });

  it('on a device that computes a row otherwise in company: by itself, and those without a seed together', async () => {
    const batches: number[][] = [];
    const native = between({
      initBatch: (tokens) => (batches.push([]), engine.native.initBatch(tokens)),
      addToBatch: (slot, from, tokens, logits) => {
        batches.at(-1)!.push(slot);
        return engine.native.addToBatch(slot, from, tokens, logits);
      },
    });
    const lane = engine.lane({ native, rowsApart: true, widestGap: 16, threads: threads(2) });
    const others = [1, 2, 3].map((n) => generate(lane, { prompt: [n], tokens: 160, seeded: false }));
    const answer = generate(lane, asked);
    const late = generate(lane, { prompt: prompt(40, 4), tokens: 30 });
    await Promise.all([...others, answer, late].map(({ ended }) => ended));
    expect(answer.said).toEqual(alone);
    const with3 = batches.filter((slots) => slots.includes(3));
    expect(with3.length).toBeGreaterThan(150);
    expect(with3.every((slots) => slots.length === 1)).toBe(true);
    expect(batches.filter((slots) => slots.length === 3).length).toBeGreaterThan(140);
  });

  it('with a part of the prompt still there', async () => {
    const lane = engine.lane();
    await generate(lane, { prompt: [...asked.prompt.slice(0, 90), 7, 7], tokens: 5 }).ended;
    const answer = generate(lane, asked);
    await answer.ended;
    expect(answer.prefilled[0]).toBe(64);
    expect(answer.said).toEqual(alone);
  });
});

describe('a model that forgets nothing', () => {
  it('has no gaps filled after the first, and nobody reads what was computed in vain', async () => {
    let [most, sizes] = [0, [] as number[]];
    const native = between({
      initBatch: (tokens) => engine.native.initBatch((most = tokens)),
      decodeBatch: () => (sizes.push(most), engine.native.decodeBatch()),
      removeTokenCellsFromSequence: () => false,
    });
    const lane = engine.lane({ native, widestGap: 16 });
    const asked = [1, 2, 3].map((n) => ({ prompt: prompt(20, n), tokens: n === 2 ? 3 : 30 }));
    const answers = asked.map((one) => generate(lane, one));
    await Promise.all(answers.map(({ ended }) => ended));
    const again = generate(lane, { prompt: [...asked[1]!.prompt, ...answers[1]!.said], reproducible: false });
    expect(await again.ended).toBeUndefined();
    // The second ended between the two others: three rows once more, then two.
    expect(sizes.filter((size) => size === 2).length).toBeGreaterThan(20);
    expect(again.prefilled).toEqual([23]);
    for (const [n, one] of asked.entries()) expect(answers[n]!.said).toEqual(await text({}, one));
  });
});

describe('the next turn of a conversation', () => {
  it('is read from what is new', async () => {
    const reused: number[] = [];
    const lane = engine.lane({ onReuse: (tokens) => reused.push(tokens) });
    const first = generate(lane, { prompt: prompt(200), tokens: 30, reproducible: false });
    await first.ended;
    // The last token was said, but not yet decoded.
    const conversation = [...prompt(200), ...first.said, ...prompt(40, 9)];
    const next = generate(lane, { prompt: conversation, reproducible: false });
    await next.ended;
    expect(reused).toEqual([229]);
    expect(next.prefilled.reduce((sum, n) => sum + n, 0)).toBe(270);
    expect(lane.cells).toBe(289);
    const exact = generate(lane, { prompt: conversation });
    await exact.ended;
    expect(reused).toEqual([229, 128]);
  });
});

describe('a long prompt', () => {
  it('is read beside the answers, each of which gets a token in every step', async () => {
    const steps: { rows: number; tokens: number }[] = [];
    // So slow a machine that a step has time for one piece only.
    const lane = engine.lane({ onStep: (step) => steps.push(step), targetSeconds: 1e-6 });
    const answers = [1, 2, 3].map((n) => generate(lane, { prompt: [n], tokens: 2000 }));
    const long = generate(lane, { prompt: prompt(1900), tokens: 1 });
    await long.ended;
    for (const { id } of answers) lane.cancel(id);
    expect(await Promise.all(answers.map(({ ended }) => ended))).toEqual(['cancelled', 'cancelled', 'cancelled']);
    const reading = steps.filter(({ tokens, rows }) => tokens > rows);
    expect(reading.reduce((sum, { tokens, rows }) => sum + tokens - rows, 0)).toBe(1900);
    expect(reading.slice(1).every(({ rows }) => rows === 3)).toBe(true);
    expect(reading.slice(1).every(({ tokens, rows }) => tokens - rows <= 64)).toBe(true);
  });
});

describe('a long prompt among many short ones', () => {
  it('is read all the same', async () => {
    const lane = engine.lane({ targetSeconds: 1e-6 });
    const flow = { over: false };
    const short = async (n: number) => {
      while (!flow.over) await generate(lane, { prompt: prompt(60, n), tokens: 1 }).ended;
    };
    const all = Array.from({ length: 7 }, (_, n) => short(n));
    const long = generate(lane, { prompt: prompt(1900), tokens: 1 });
    expect(await long.ended).toBeUndefined();
    flow.over = true;
    await Promise.all(all);
  });
});

describe('a context in which nothing can be computed', () => {
  it('is told of failures alone', async () => {
    const told: string[] = [];
    const lane = engine.lane({
      native: between({ decodeBatch: () => Promise.reject(new Error('no')) }),
      onStep: () => told.push('step'),
      onFailure: () => told.push('failure'),
    });
    const answer = generate(lane, {});
    expect(await answer.ended).toBeInstanceOf(OutOfMemoryError);
    expect(told).toEqual(['failure', 'failure']);
  });
});

describe('prompts that come together', () => {
  const four = [1, 2, 3, 4].map((n) => ({ prompt: prompt(100, n), tokens: 20 }));
  /** A lane that knows how long a piece takes, which is next to nothing. */
  const warmLane = async (change: Partial<LaneOptions> = {}): Promise<Lane> => {
    const lane = engine.lane({ targetSeconds: 60, ...change });
    await generate(lane, { prompt: prompt(70, 9), tokens: 1 }).ended;
    return lane;
  };
  const counted = () => {
    const batches: number[] = [];
    let size = 0;
    const native = between({
      initBatch: (tokens) => engine.native.initBatch((size = tokens)),
      decodeBatch: () => (batches.push(size), engine.native.decodeBatch()),
    });
    return { batches, native };
  };
  const oneByOne = async (): Promise<number[][]> => {
    const texts: number[][] = [];
    for (const asked of four) texts.push(await text({}, asked));
    return texts;
  };
  const all = async (lane: Lane, reproducible: boolean): Promise<number[][]> => {
    const answers = four.map((asked) => generate(lane, { ...asked, reproducible }));
    expect(await Promise.all(answers.map(({ ended }) => ended))).toEqual(four.map(() => undefined));
    return answers.map(({ said }) => said);
  };

  it('are read in one batch, as far as it holds them, and answered as they would be alone', async () => {
    const { batches, native } = counted();
    const lane = await warmLane({ native, batchSize: 200 });
    batches.length = 0;
    const together = await all(lane, false);
    expect(batches.slice(0, 4)).toEqual([192, 64, 144, 4]);
    const alone = await oneByOne();
    expect(together.map((said) => said.slice(0, 8))).toEqual(alone.map((said) => said.slice(0, 8)));
  });

  it('are read one by one where a batch does not pay', async () => {
    const { batches, native } = counted();
    const lane = await warmLane({ native, readsTogether: false });
    batches.length = 0;
    await all(lane, false);
    expect(batches.filter((size) => size > 4).toSorted()).toEqual([36, 36, 36, 36, 64, 64, 64, 64]);
  });

  it('are read one by one where a seed was given', async () => {
    const { batches, native } = counted();
    const lane = await warmLane({ native });
    batches.length = 0;
    const together = await all(lane, true);
    expect(batches.filter((size) => size > 4).toSorted()).toEqual([36, 36, 36, 36, 64, 64, 64, 64]);
    expect(together).toEqual(await oneByOne());
  });
});

describe('a job that comes while a batch is under way', () => {
  it('changes nothing of the context before that batch is done', async () => {
    let [underway, changes] = [false, 0];
    const { native } = engine;
    const change = <A extends unknown[], R>(call: (...given: A) => R) => {
      return (...given: A): R => {
        if (underway) changes++;
        return call.apply(native, given);
      };
    };
    const lane = engine.lane({
      widestGap: 16,
      native: between({
        disposeSequence: change(native.disposeSequence),
        removeTokenCellsFromSequence: change(native.removeTokenCellsFromSequence),
        decodeBatch: async () => {
          underway = true;
          const decoded = native.decodeBatch();
          // Conversations go on, and new ones begin, in the very middle of it.
          if (waiting.length > 0 && lane.free > 0) followers.push(generate(lane, waiting.pop()));
          await decoded;
          underway = false;
        },
      }),
    });
    const first = [1, 2, 3].map((n) => generate(lane, { prompt: prompt(100, n), tokens: 5, reproducible: false }));
    const followers: ReturnType<typeof generate>[] = [];
    const waiting: Partial<Asked>[] = [];
    await Promise.all(first.map(({ ended }) => ended));
    for (let n = 1; n < 20; n++)
      waiting.push({ prompt: prompt(90 + n, (n % 4) + 1), tokens: 2 + n, reproducible: false });
    const long = generate(lane, { tokens: 200 });
    await long.ended;
    expect(followers).toHaveLength(19);
    expect(await Promise.all(followers.map(({ ended }) => ended))).toEqual(followers.map(() => undefined));
    expect(changes).toBe(0);
  });
});

describe('a job that is cancelled', () => {
  it('takes no further step, and gives its slot to another', async () => {
    let decodes = 0;
    const native = between({ decodeBatch: () => (decodes++, engine.native.decodeBatch()) });
    const lane = engine.lane({ native });
    const answer = generate(lane, { tokens: 2000 });
    const others = Array.from({ length: lane.free }, () => generate(lane, { tokens: 2000 }));
    expect(lane.free).toBe(0);
    const before = decodes;
    for (const { id } of [answer, ...others]) lane.cancel(id);
    expect(await answer.ended).toBe('cancelled');
    await Promise.all(others.map(({ ended }) => ended));
    expect(decodes - before).toBeLessThanOrEqual(1);
    expect(lane.running).toBe(0);
    expect(await generate(lane).ended).toBeUndefined();
  });
});

describe('a step that fails', () => {
  /** A context whose nth decodes fail. */
  const failing = (...nth: number[]) => {
    let decodes = 0;
    return between({
      decodeBatch: () =>
        nth.includes(++decodes) ? Promise.reject(new Error('Eval has failed')) : engine.native.decodeBatch(),
    });
  };

  it('is taken again, and the answer goes on', async () => {
    const asked = { prompt: prompt(100), tokens: 40 };
    const failures: Error[] = [];
    const said = await text({}, asked);
    const options = { native: failing(8), onFailure: (error: Error) => failures.push(error) };
    const again = await text(options, asked);
    expect(again).toHaveLength(40);
    expect(again.slice(0, 6)).toEqual(said.slice(0, 6));
    expect(failures.map(({ message }) => message)).toEqual(['Eval has failed']);
  });

  it('twice ends the answers in it, and the next ones are given', async () => {
    const lane = engine.lane({ native: failing(4, 8) });
    const answers = [generate(lane), generate(lane, { prompt: prompt(30) })];
    for (const { ended } of answers) expect(await ended).toBeInstanceOf(OutOfMemoryError);
    expect(lane.running).toBe(0);
    expect(await generate(lane).ended).toBeUndefined();
  });
});

describe('probabilities', () => {
  it('are the model’s own, whatever the temperature', async () => {
    const asked = { prompt: prompt(20), tokens: 12, logprobs: 5 };
    const greedy = generate(engine.lane(), { ...asked, sampling: { temperature: 0 } });
    await greedy.ended;
    for (const { token, logprob, top } of greedy.explained) {
      expect(top).toHaveLength(5);
      expect(top[0]).toMatchObject({ token, logprob });
      expect(top.map((t) => t.logprob)).toEqual(top.map((t) => t.logprob).toSorted((a, b) => b - a));
      expect(logprob).toBeLessThan(0);
      expect(top.reduce((sum, t) => sum + Math.exp(t.logprob), 0)).toBeLessThan(1);
    }
    const warm = generate(engine.lane(), { ...asked, tokens: 1, sampling: { temperature: 1.5 } });
    await warm.ended;
    expect(warm.explained[0]!.top).toEqual(greedy.explained[0]!.top);
  });
});

describe('an engine that had too many sequences', () => {
  it('has no more than it is left, whatever was asked for', async () => {
    const smaller = await RandomEngine.start(buildRandomModel(RANDOM_TINY), { sequences: 8, ceiling: 2 });
    expect(smaller.loaded.info.sequences).toBe(2);
    await smaller.stop();
  });
});
