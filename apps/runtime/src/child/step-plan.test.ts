import { describe, expect, it } from 'vitest';
import { companions, fittingPieces, fitTogether, gaps, nextReader, pieceLength, readTogether } from './step-plan.js';

const reader = (slot: number, pieces: number, admitted: number, take = 64, alone = false) => ({
  slot,
  pieces,
  admitted,
  take,
  alone,
});

describe('the prompt that is read on', () => {
  it('is the one of which least was read, then the oldest; every second time the oldest', () => {
    const three = [reader(0, 3, 1), reader(1, 0, 3), reader(2, 0, 2)];
    expect([0, 1, 2, 3].map((turn) => nextReader(three, turn)?.slot)).toEqual([2, 0, 2, 0]);
    expect(nextReader([reader(0, 3, 1), reader(1, 4, 0)], 0)?.slot).toBe(0);
    expect(nextReader([], 0)).toBeUndefined();
  });
});

describe('prompts that are read together', () => {
  const first = reader(5, 0, 9);
  const together = (others: Parameters<typeof readTogether>[1], most = 8, own = first) =>
    readTogether(own, [own, ...others], most).map(({ slot }) => slot);

  it('have pieces of one length, and go in their turn', () => {
    expect(together([reader(1, 2, 3), reader(2, 0, 12), reader(3, 0, 10, 63), reader(4, 1, 1)])).toEqual([5, 2, 4, 1]);
  });

  it('are as many as time allows, and one at least', () => {
    const others = [reader(1, 0, 10), reader(2, 0, 11)];
    expect(together(others, 2)).toEqual([5, 1]);
    expect(together(others, 0)).toEqual([5]);
  });

  it('are none whose text must not depend on others', () => {
    expect(together([reader(1, 0, 10, 64, true), reader(2, 0, 11)])).toEqual([5, 2]);
    expect(together([reader(2, 0, 11)], 8, reader(5, 0, 9, 64, true))).toEqual([5]);
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
    [0, 0.06, 3],
    [0.05, 0.06, 2],
    [0.05, 0.16, 0],
    [0.3, 0.01, 0],
  ])('after %d s of a step fits, where it takes %d s, %d times', (elapsed, piece, expected) => {
    expect(fittingPieces(elapsed, piece, 0.2)).toBe(expected);
  });
});

describe('prompts that are read together', () => {
  const steps = (count: number, seconds: number): number[] => Array.from({ length: count }, () => seconds);
  it.each([
    ['as many as fit', 0.03, 0.05, [], 8, 3],
    ['two where one fits and the steps before were short', 0.03, 0.15, steps(9, 0.04), 8, 2],
    ['two where one fits and none were before', 0.03, 0.15, [], 8, 2],
    ['two where not even one fits', 0.06, 0.145, steps(9, 0.04), 2, 2],
    ['one where one waits', 0.03, 0.15, steps(9, 0.04), 1, 1],
    ['one where two would be far too long', 0.03, 0.17, steps(9, 0.04), 8, 1],
    ['one where the steps before were as long as they may be', 0.03, 0.15, steps(9, 0.19), 8, 1],
    ['one where so many wait that later steps would be too long', 0.04, 0.155, [], 32, 1],
    ['none where nothing fits', 0.25, 0.15, steps(9, 0.04), 8, 0],
  ])('are %s', (_, elapsed, piece, recent, waiting, count) => {
    expect(fitTogether({ elapsed, piece, target: 0.2, recent }, waiting)).toBe(count);
  });

  it.each([2, 5, 8, 32, 1000])('hold the target on average where %d wait', (pieces) => {
    const taken: number[] = [];
    for (let waiting = pieces; taken.length < 200;) {
      const [elapsed, piece] = [0.03, 0.15];
      const fitting = fitTogether({ elapsed, piece, target: 0.2, recent: taken.slice(-9) }, waiting);
      const read = Math.min(waiting, Math.max(1, fitting));
      waiting -= read;
      taken.push(elapsed + read * piece);
    }
    const means = taken.slice(9).map((_, i) => taken.slice(i, i + 10).reduce((a, b) => a + b, 0) / 10);
    expect(Math.max(...means)).toBeLessThanOrEqual(0.2 + 1e-9);
    expect(Math.max(...taken)).toBeCloseTo(0.33);
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

describe('rows that must not be computed by themselves', () => {
  const beside = (rows: number[], lonely: number[], busy: number[] = [], slots = 8) =>
    companions(
      rows,
      (slot) => lonely.includes(slot),
      (slot) => slot >= 0 && slot < slots && ![...rows, ...busy].includes(slot),
    );

  it('have an idle slot beside them, unless another row is there', () => {
    expect(beside([2], [2])).toEqual([3]);
    expect(beside([2, 3], [2, 3])).toEqual([]);
    expect(beside([2, 4], [2, 4])).toEqual([3]);
    expect(beside([7], [7])).toEqual([6]);
    expect(beside([0, 2, 5], [2])).toEqual([3]);
    expect(beside([2], [])).toEqual([]);
  });

  it('can not always have one', () => {
    expect(beside([2], [2], [1, 3])).toBeUndefined();
    expect(beside([0], [0], [], 1)).toBeUndefined();
  });
});
