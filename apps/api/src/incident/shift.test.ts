import { describe, expect, it } from 'vitest';
import { findShift, median, type Point } from './shift.js';

const SMALLEST = { absolute: 0.1, relative: 0.5 };
/** One point a minute; the first ten are what was normal. */
const course = (values: readonly number[]): Point[] => values.map((value, i) => ({ time: i * 60_000, value }));
const flat = (value: number, count = 10): number[] => Array.from({ length: count }, () => value);
const shiftOf = (values: readonly number[], smallest = SMALLEST) => findShift(course(values), 600_000, smallest);

describe('a shift', () => {
  it.each<[string, number[], { minute: number; direction: string; before: number; after: number } | undefined]>([
    ['a flat line', flat(1, 30), undefined],
    ['a step up', [...flat(1), 1, 1, 3, 3, 3], { minute: 12, direction: 'rose', before: 1, after: 3 }],
    ['a step down', [...flat(1), 1, 0.2, 0.2, 0.1], { minute: 11, direction: 'fell', before: 1, after: 0.1 }],
    ['a blip', [...flat(1), 1, 9, 1, 1, 1], undefined],
    ['what came back by itself', [...flat(1), 5, 5, 1, 1, 1, 1, 1], undefined],
    ['one that dips once', [...flat(1), 5, 5, 1, 5, 5], { minute: 10, direction: 'rose', before: 1, after: 5 }],
    ['less than is worth telling', [...flat(1), 1.4, 1.4, 1.4], undefined],
    ['from nothing', [...flat(0), 0, 2, 2], { minute: 11, direction: 'rose', before: 0, after: 2 }],
    ['noise around zero', [...flat(0), 0.05, 0.09, 0.08], undefined],
    ['the last step alone', [...flat(1), 1, 1, 5], undefined],
    ['the last two', [...flat(1), 1, 5, 6], { minute: 11, direction: 'rose', before: 1, after: 6 }],
    [
      'a slow rise, from its foot',
      [...flat(1), 1.1, 1.3, 1.6, 2, 3],
      { minute: 11, direction: 'rose', before: 1, after: 3 },
    ],
    ['a gap in the data', [...flat(1, 4), 5, 5], undefined],
    ['too short a past', [1, 1], undefined],
    ['nothing', [], undefined],
  ])('%s', (_, values, expected) => {
    const found = shiftOf(values);
    expect(found && { ...found, onset: undefined, minute: found.onset / 60_000 }).toEqual(
      expected && { ...expected, onset: undefined },
    );
  });

  it('is measured by the noise that was normal', () => {
    const noisy = Array.from({ length: 10 }, (_, i) => 10 + (i % 2 === 0 ? 3 : -3));
    expect(shiftOf([...noisy, 18, 18, 18])).toBeUndefined();
    expect(shiftOf([...noisy, 60, 60, 60])).toMatchObject({ onset: 600_000, direction: 'rose' });
  });

  it('does not let one odd value of the past hide it', () => {
    expect(shiftOf([...flat(1, 9), 500, 3, 3, 3])).toMatchObject({ onset: 600_000, before: 1, after: 3 });
  });
});

it('the median of an even number of values lies between', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});
