import { describe, expect, it } from 'vitest';
import { cpuRatio, rateOf, sumOfRates } from './rates.js';

describe('rateOf', () => {
  it.each([
    ['growth', { at: 10, value: 100 }, { at: 12, value: 150 }, 25],
    ['rest', { at: 10, value: 100 }, { at: 12, value: 100 }, 0],
    ['the first reading', undefined, { at: 12, value: 100 }, null],
    ['nothing before', { at: 10, value: null }, { at: 12, value: 100 }, null],
    ['nothing now', { at: 10, value: 100 }, { at: 12, value: null }, null],
    ['a count that began anew', { at: 10, value: 100 }, { at: 12, value: 5 }, null],
    ['no time between', { at: 10, value: 100 }, { at: 10, value: 105 }, null],
    ['a clock that went back', { at: 10, value: 100 }, { at: 4, value: 105 }, null],
    ['figures that are none', { at: 10, value: 0 }, { at: 12, value: Infinity }, null],
    ['no number of seconds', { at: NaN, value: 0 }, { at: 12, value: 1 }, null],
  ])('%s', (_, before, now, expected) => {
    expect(rateOf(before, now)).toBe(expected);
  });
});

describe('cpuRatio', () => {
  const of = (busySeconds: number, idleSeconds: number) => ({ busySeconds, idleSeconds });
  it.each([
    ['half', of(10, 10), of(15, 15), 0.5],
    ['idle', of(10, 10), of(10, 15), 0],
    ['full', of(10, 10), of(15, 10), 1],
    ['a tick of waiting that was taken back', of(10, 10), of(15, 9.99), 1],
    ['a machine that started anew', of(10, 10), of(1, 1), null],
    ['a CPU that was taken off line', of(10, 100), of(11, 50), null],
    ['no time', of(10, 10), of(10, 10), null],
    ['the first reading', null, of(10, 10), null],
    ['nothing now', of(10, 10), null, null],
  ])('%s', (_, before, now, expected) => {
    expect(cpuRatio(before, now)).toBe(expected);
  });
});

describe('sumOfRates', () => {
  const at = (rate: number | null, isNew = false) => ({ rate, isNew });
  it.each([
    ['all', [at(1), at(2)], 3],
    ['none', [], null],
    ['one that is new', [at(1), at(null, true)], 1],
    ['only what is new', [at(null, true)], null],
    ['one that began anew: the rest would be too small a sum', [at(1), at(null)], null],
  ])('%s', (_, rates, expected) => {
    expect(sumOfRates(rates)).toBe(expected);
  });
});
