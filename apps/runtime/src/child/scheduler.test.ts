import { buildRandomModel, RANDOM_TINY } from '@vigil/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate, RandomEngine, type Asked } from '../testing/random-model.js';
import { gather, spread, StepScheduler, type Place } from './scheduler.js';
import { countsOf, sharedThreads, ThreadTuner } from './thread-tuner.js';

const at = (lane: string, running: number, reuse = 0, cells = 0): Place<string> => ({
  lane,
  slot: 0,
  reuse,
  running,
  cells,
});

describe('the lane of an answer, where they are spread', () => {
  it.each([
    ['the one with fewer', [at('a', 3), at('b', 2)], 'b'],
    ['the one that holds its prompt, which has one more', [at('a', 3, 40), at('b', 2)], 'a'],
    ['not the one that holds its prompt and has two more', [at('a', 4, 40), at('b', 2)], 'b'],
    ['the one with room', [at('a', 3)], 'a'],
    ['none where there is no room', [], undefined],
  ])('is %s', (_, places, lane) => expect(spread(places)?.lane).toBe(lane));
});

describe('the lane of an answer, where they are gathered', () => {
  it.each([
    ['the one with more', [at('a', 0), at('b', 2)], 'b'],
    ['the one that holds much of its prompt', [at('a', 0, 140), at('b', 2, 40)], 'a'],
    ['not the one that holds a little more of its prompt', [at('a', 0, 40), at('b', 2, 30)], 'b'],
    ['where all are idle, the one that holds a little of its prompt', [at('a', 0), at('b', 0, 40, 900)], 'b'],
    ['where all are idle, the one that would forget less', [at('a', 0, 0, 900), at('b', 0, 0, 100)], 'b'],
    ['none where there is no room', [], undefined],
  ])('is %s', (_, places, lane) => expect(gather(places)?.lane).toBe(lane));
});

describe('two lanes that share two threads', () => {
  const SEQUENCES = 4;
  let engine: RandomEngine;
  beforeAll(async () => {
    // Large enough for two contexts.
    const bytes = buildRandomModel({ ...RANDOM_TINY, vocabulary: 32_768 });
    engine = await RandomEngine.start(bytes, { threads: 2, sequences: 2 * SEQUENCES });
    expect(engine.loaded.contexts).toHaveLength(2);
  });
  afterAll(() => engine.stop());

  /** Counts the batches of each lane by their threads. */
  function scheduler(gathered: number) {
    const batches = [new Map<number, number>(), new Map<number, number>()];
    const tuner = new ThreadTuner(countsOf(2));
    const made: StepScheduler = new StepScheduler({
      bounds: { min: 8, max: 8, targetSeconds: 0.2 },
      cells: 2 * SEQUENCES * 2048,
      gathered,
      onBroken: (error) => expect.unreachable(error.message),
      lanes: (hooks) =>
        batches.map((counts, index) => {
          const shared = sharedThreads(tuner, 1, () => made.lanes[1 - index]!.running === 0);
          const choose = (tokens: number) => {
            const threads = shared.choose(tokens);
            counts.set(threads, (counts.get(threads) ?? 0) + 1);
            return threads;
          };
          return engine.lane({ ...hooks, threads: { most: 2, took: shared.took, choose } }, index);
        }),
    });
    return { made, batches };
  }
  const prompt = (length: number, from = 0) => Array.from({ length }, (_, i) => (from + i * 37) % 250);

  it('are filled one after the other, up to the number that is gathered, and then as evenly as can be', async () => {
    const { made } = scheduler(3);
    const running = () => made.lanes.map((lane) => lane.running);
    const seen: number[][] = [];
    const answers = [];
    for (let n = 1; n <= 2 * SEQUENCES; n++) {
      answers.push(generate(made, { prompt: prompt(20, n), tokens: 2000 }));
      seen.push(running().toSorted((a, b) => b - a));
    }
    expect(seen).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
      [3, 1],
      [3, 2],
      [3, 3],
      [4, 3],
      [4, 4],
    ]);
    expect(() => generate(made, {})).toThrow('More requests than sequences.');
    for (const { id } of answers) made.cancel(id);
    for (const { ended } of answers) expect(await ended).toBe('cancelled');
  });

  it('compute with both threads while one is alone, and with one each else, and a seed gives one text', async () => {
    const asked: Partial<Asked> = { prompt: prompt(560), tokens: 70, sampling: { seed: 5 } };
    const alone = generate(scheduler(3).made, asked);
    expect(await alone.ended).toBeUndefined();

    const { made, batches } = scheduler(2);
    const answer = generate(made, asked);
    const others = [generate(made, { prompt: prompt(90, 1), tokens: 20 })];
    await others[0]!.ended;
    const before = new Map(batches[0]);
    expect(before.get(2)).toBeGreaterThan(10);
    expect(batches[1]!.size).toBe(0);
    for (const n of [2, 3, 4]) others.push(generate(made, { prompt: prompt(70, n), tokens: 30 }));
    const second = generate(made, asked);
    for (const { ended } of [...others, answer, second]) expect(await ended).toBeUndefined();
    expect(batches[0]!.get(1)! - (before.get(1) ?? 0)).toBeGreaterThan(10);
    expect(batches[1]!.get(1)).toBeGreaterThan(10);
    expect(answer.said).toEqual(alone.said);
    expect(second.said).toEqual(alone.said);
  });
});
