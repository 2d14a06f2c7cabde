import { describe, expect, it } from 'vitest';
import { fitsPiece, gaps, nextReader, pieceLength } from './step-plan.js';

describe('the prompt that is read on', () => {
  it('is the one of which least was read, then the oldest', () => {
    const reader = (slot: number, pieces: number, admitted: number) => ({ slot, pieces, admitted });
    expect(nextReader([reader(0, 3, 1), reader(1, 0, 3), reader(2, 0, 2)])).toBe(2);
    expect(nextReader([reader(0, 3, 1), reader(1, 4, 0)])).toBe(0);
    expect(nextReader([])).toBeUndefined();
  });
});

describe('a piece of a prompt', () => {
  it.each([
    [0, 2000, 64],
    [64, 2000, 64],
    [448, 2000, 64],
    [512, 2000, 32],
    [520, 2000, 24],
    [1952, 2000, 32],
    [1984, 2000, 16],
    [1952, 1990, 38],
    [0, 80, 80],
    [0, 81, 64],
    [100, 140, 40],
    [0, 10, 10],
    [100, 2000, 28],
    [127, 128, 1],
    [127, 144, 17],
  ])('from %d of %d ends at a multiple of the size: %d tokens', (from, length, expected) => {
    expect(pieceLength(from, length, 64)).toBe(expected);
  });

  it.each([
    [0, 0.15, true],
    [0.05, 0.11, false],
    [0.05, 0.1, true],
    [0.3, 0, false],
  ])('after %d s is read in the same step if it takes %d s: %s', (elapsed, piece, expected) => {
    expect(fitsPiece(elapsed, piece, 0.2)).toBe(expected);
  });
});

describe('gaps between sequences', () => {
  it('are closed up to a width', () => {
    expect(gaps([1, 4, 9], 2)).toEqual([2, 3]);
    expect(gaps([1, 4, 9], 4)).toEqual([2, 3, 5, 6, 7, 8]);
    expect(gaps([3], 9)).toEqual([]);
    expect(gaps([], 9)).toEqual([]);
  });
});
