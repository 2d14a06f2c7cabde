import { describe, expect, it } from 'vitest';
import { commonPrefix, place as placeWith, type SlotView } from './placement.js';

const tokens = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
const slot = (cells: readonly number[] = [], change: Partial<SlotView> = {}): SlotView => ({
  cells,
  exact: 0,
  busy: false,
  usedAt: 1,
  ...change,
});

const place = (slots: readonly SlotView[], prompt: readonly number[], piece = 1, again = 1, apart = 4) =>
  placeWith(slots, prompt, { piece, again, apart });

describe('the slot of a prompt', () => {
  it('is the one that holds its beginning', () => {
    expect(place([slot(), slot(tokens(0, 50)), slot(tokens(0, 80))], tokens(0, 90))).toEqual({ slot: 2, reuse: 80 });
  });

  it('is read from its last token on, even where all of it is there', () => {
    expect(place([slot(tokens(0, 90))], tokens(0, 90))).toEqual({ slot: 0, reuse: 89 });
    expect(place([slot(tokens(0, 90))], tokens(0, 40))).toEqual({ slot: 0, reuse: 39 });
  });

  it('is the lowest empty one where nothing is gained', () => {
    expect(place([slot(tokens(500, 9)), slot(), slot()], tokens(0, 90))).toEqual({ slot: 1, reuse: 0 });
  });

  it('does not cost another conversation for a few common tokens', () => {
    const cells = [...tokens(0, 20), ...tokens(900, 500)];
    expect(place([slot(cells), slot()], [...tokens(0, 20), ...tokens(300, 100)])).toEqual({ slot: 1, reuse: 0 });
    expect(place([slot(cells), slot()], [...tokens(0, 20), 300, 301])).toEqual({ slot: 0, reuse: 20 });
  });

  it('is the one unused for longest where all hold something', () => {
    const cells = tokens(500, 30);
    const slots = [slot(cells, { usedAt: 7 }), slot(cells, { usedAt: 3 }), slot(cells, { usedAt: 5 })];
    expect(place(slots, tokens(0, 9))).toEqual({ slot: 1, reuse: 0 });
  });

  it('is next to those who are answered, and best between them', () => {
    const held = (usedAt: number) => slot(tokens(500, 30), { usedAt });
    const busy = slot(tokens(700, 5), { usedAt: 9, busy: true });
    expect(place([slot(), slot(), slot(), busy, slot(), slot()], tokens(0, 9))).toEqual({ slot: 2, reuse: 0 });
    expect(place([held(1), held(7), busy, held(8), busy, held(2)], tokens(0, 9))).toEqual({ slot: 3, reuse: 0 });
    expect(place([held(1), held(7), busy, held(6), held(2), held(3)], tokens(0, 9))).toEqual({ slot: 3, reuse: 0 });
  });

  it('is not one whose long text was used lately, unless texts are never asked for again', () => {
    const held = (usedAt: number) => slot(tokens(5000, 1000), { usedAt });
    const busy = slot(tokens(700, 5), { usedAt: 9, busy: true });
    const slots = [held(1), held(2), held(8), busy, held(7)];
    expect(place(slots, tokens(0, 9))).toEqual({ slot: 0, reuse: 0 });
    expect(place(slots, tokens(0, 9), 1, 0.02)).toEqual({ slot: 4, reuse: 0 });
    expect(place([held(1), busy, held(5), busy, held(2), held(3)], tokens(0, 9))).toEqual({ slot: 0, reuse: 0 });
  });

  it('costs a lost text where a batch of its own is dear, and lies apart where it is cheap', () => {
    const held = (usedAt: number) => slot(tokens(5000, 60), { usedAt });
    const slots = [held(1), held(2), held(3), held(8), slot(tokens(700, 5), { usedAt: 9, busy: true })];
    expect(place(slots, tokens(0, 9), 1, 1, 4)).toEqual({ slot: 3, reuse: 0 });
    expect(place(slots, tokens(0, 9), 1, 1, 1)).toEqual({ slot: 0, reuse: 0 });
  });

  it('leaves what a conversation holds while others come, even between two who are answered', () => {
    const said = slot(tokens(5000, 300), { usedAt: 8 });
    const busy = slot(tokens(700, 5), { usedAt: 9, busy: true });
    expect(place([slot(), busy, said, busy, slot(), slot()], tokens(0, 9))).toEqual({ slot: 0, reuse: 0 });
    expect(place([slot(), busy, said, busy, slot(), slot()], tokens(5000, 320))).toEqual({ slot: 2, reuse: 300 });
  });

  it('keeps only what was read in whole pieces where the text must not depend on it', () => {
    const cells = tokens(0, 100);
    expect(place([slot(cells, { exact: 64 })], tokens(0, 120), 32)).toEqual({ slot: 0, reuse: 64 });
    expect(place([slot(cells, { exact: 96 })], tokens(0, 90), 32)).toEqual({ slot: 0, reuse: 64 });
    expect(place([slot(cells, { exact: 64 })], tokens(0, 64), 32)).toEqual({ slot: 0, reuse: 32 });
    expect(place([slot(cells)], tokens(0, 120), 32)).toEqual({ slot: 0, reuse: 0 });
  });

  it('is never a busy one', () => {
    const busy = slot(tokens(0, 90), { busy: true });
    expect(place([busy, slot()], tokens(0, 90))).toEqual({ slot: 1, reuse: 0 });
    expect(place([busy], tokens(0, 90))).toBeUndefined();
  });

  it.each([
    [[], [], 0],
    [[1, 2], [1, 2, 3], 2],
    [[1, 2, 4], [1, 2, 3], 2],
    [[2], [1], 0],
  ])('%j and %j begin with %d tokens in common', (a, b, length) => {
    expect(commonPrefix(a, b)).toBe(length);
  });
});
