import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

const queue = (...entries: [item: string, owner: number | undefined][]) => {
  const made = new FairQueue<string>();
  for (const [item, owner] of entries) made.push(item, owner);
  return made;
};

describe('those who wait', () => {
  it('are served in order', () => {
    const waiting = queue(['a', undefined], ['b', undefined], ['c', undefined]);
    expect(waiting.delete('b')).toBe(true);
    expect(waiting.delete('b')).toBe(false);
    expect(waiting.shift(new Map([[undefined, 9]]))?.item).toBe('a');
    expect(waiting.drain()).toEqual(['c']);
    expect(waiting.shift(new Map())).toBeUndefined();
  });

  it('are served by turns where they are several people', () => {
    const waiting = queue(['a1', 1], ['a2', 1], ['a3', 1], ['b1', 2]);
    expect(waiting.shift(new Map())?.item).toBe('a1');
    expect(waiting.shift(new Map([[1, 1]]))?.item).toBe('b1');
    expect(
      waiting.shift(
        new Map([
          [1, 1],
          [2, 1],
        ]),
      )?.item,
    ).toBe('a2');
    expect(waiting.has('a3')).toBe(true);
  });
});
