import { describe, expect, it } from 'vitest';
import { ApiError } from '../errors.js';
import { Generation, type GenerationEvent } from './generation.js';

const REQUEST = {} as Generation['request'];
const GONE = new ApiError(499, 'client_disconnected', 'gone');
const add = (to: Generation, reasoning: string, content: string, tokens: number) =>
  to.add({ reasoning, content, output: tokens, reasoningTokens: tokens });

describe('an answer on its way', () => {
  it('joins what a slow client has not taken yet', async () => {
    const generation = new Generation(1, REQUEST, () => undefined);
    const seen: GenerationEvent[] = [];
    generation.begin(7);
    const reading = (async () => {
      for await (const event of generation) {
        seen.push(event);
        // While this client is busy, the engine goes on.
        if (seen.length === 2) {
          for (let i = 0; i < 1000; i++) add(generation, i < 500 ? 'r' : '', i < 500 ? '' : 'c', i);
          generation.finish('stop', { input: 7, output: 1000, reasoning: 500 }, true);
        }
      }
    })();
    await Promise.resolve();
    add(generation, 'a', '', 1);
    await reading;
    expect(seen.map(({ type }) => type)).toEqual(['started', 'delta', 'delta', 'done']);
    expect(seen[2]).toMatchObject({ reasoning: 'r'.repeat(500), content: 'c'.repeat(500) });
    expect(seen[3]).toMatchObject({ usage: { input: 7, output: 1000 } });
  });

  it('that is cancelled ends at once, and tells the engine once', async () => {
    let told = 0;
    const generation = new Generation(1, REQUEST, () => told++);
    add(generation, 'never read', '', 1);
    generation.cancel(GONE);
    generation.cancel(GONE);
    add(generation, 'more', '', 2);
    generation.finish('stop', { input: 1, output: 2, reasoning: 2 }, true);
    await expect(
      (async () => {
        for await (const _event of generation);
      })(),
    ).rejects.toBe(GONE);
    expect(told).toBe(1);
  });

  it('that has ended can not be cancelled any more', () => {
    let told = 0;
    const generation = new Generation(1, REQUEST, () => told++);
    generation.finish('stop', { input: 1, output: 2, reasoning: 2 }, true);
    generation.cancel(GONE);
    expect(told).toBe(0);
  });
});
