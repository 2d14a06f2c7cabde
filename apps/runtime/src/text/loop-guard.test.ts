import { describe, expect, it } from 'vitest';
import { LoopGuard } from './loop-guard.js';

/** The index of the token at which the guard first speaks, and the block that it names. */
function seen(tokens: readonly number[]): { at: number; block: number } | undefined {
  const guard = new LoopGuard();
  for (const [at, token] of tokens.entries()) {
    const block = guard.push(token);
    if (block > 0) return { at: at + 1, block };
  }
  return undefined;
}
const block = (length: number) => Array.from({ length }, (_, i) => 1000 + i);
const repeat = (tokens: readonly number[], times: number) => Array.from({ length: times }, () => tokens).flat();

describe('the loop guard', () => {
  it.each([
    [1, 256],
    [7, 256],
    [64, 256],
    [100, 400],
    [512, 2048],
  ])('sees a block of %d tokens after %d tokens of it', (length, tokens) => {
    const before = Array.from({ length: 777 }, (_, i) => (i * 7919) % 100_003);
    expect(seen([...before, ...repeat(block(length), 300)])).toEqual({ at: 777 + tokens, block: length });
  });

  it.each([
    ['a block that came three times', repeat(block(200), 3)],
    ['many short ones that are not many tokens', repeat(block(5), 50)],
    ['a list whose numbers rise', Array.from({ length: 3000 }, (_, i) => (i % 6 === 0 ? i : i % 6))],
    ['repetitions with a change in each', repeat(block(30), 40).map((t, i) => (i % 30 === 7 ? i : t))],
    ['a block that is too long', repeat(block(513), 6)],
    ['nothing', []],
  ])('does not mind %s', (_, tokens) => {
    expect(seen(tokens)).toBeUndefined();
  });

  it('names the shortest block', () => {
    expect(seen(repeat([1, 2, 1, 2], 200))?.block).toBe(2);
  });
});
