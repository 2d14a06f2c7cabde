import { describe, expect, it } from 'vitest';
import { fitSequences, type MemoryQuestion } from './memory.js';

const GIB = 2 ** 30;
const question = (change: Partial<MemoryQuestion>): MemoryQuestion => ({
  free: { ram: 10 * GIB, vram: 0 },
  model: { ram: 4 * GIB, vram: 0 },
  fixed: { ram: GIB, vram: 0 },
  sequence: { ram: GIB / 2, vram: 0 },
  contextSize: 4096,
  wanted: 0,
  most: 32,
  share: 0.5,
  ...change,
});

describe('sequences', () => {
  it.each<[string, Partial<MemoryQuestion>, number]>([
    ['as many as their share of memory takes', {}, 5],
    ['no more than the most', { most: 3 }, 3],
    ['one where the share is too small for one', { share: 0.05 }, 1],
    ['as many as asked for, beyond the share', { wanted: 10 }, 10],
    ['bounded by the GPU as well', { free: { ram: 99 * GIB, vram: GIB }, sequence: { ram: 0, vram: GIB / 4 } }, 2],
  ])('are %s', (_, change, count) => {
    expect(fitSequences(question(change))).toBe(count);
  });

  it.each<[string, Partial<MemoryQuestion>, string]>([
    [
      'the model',
      { model: { ram: 12 * GIB, vram: 0 } },
      'it needs 13.0 GiB of memory, and 10.0 GiB are free. A model of up to 9.0 GiB would fit',
    ],
    [
      'so many contexts',
      { wanted: 16 },
      '16 contexts of 4096 tokens need 8.0 GiB of memory, and 5.0 GiB are left beside the model. ' +
        'SLOTS=10 or CONTEXT_SIZE=2560 would fit',
    ],
    [
      'even one',
      { sequence: { ram: 8 * GIB, vram: 0 } },
      'one context of 4096 tokens needs 8.0 GiB of memory, and 5.0 GiB are left beside the model. ' +
        'CONTEXT_SIZE=2560 would fit',
    ],
    [
      'one on the GPU',
      { free: { ram: 10 * GIB, vram: GIB / 100 }, sequence: { ram: 0, vram: GIB } },
      'one context of 4096 tokens needs 1.0 GiB of GPU memory, and 0.01 GiB are left beside the model. ' +
        'No context of 256 tokens would fit',
    ],
  ])('are refused where there is no room for %s, with what would fit', (_, change, sentence) => {
    expect(fitSequences(question(change))).toBe(sentence);
  });
});
