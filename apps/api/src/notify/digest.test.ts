import { describe, expect, it } from 'vitest';
import { cut, cutBytes, digest, headline, oneLine, trendLine } from './digest.js';
import type { Message } from './message.js';
import { sparkline } from './sparkline.js';
import { batch, message } from './testing.js';
import { stepOf } from './trend.js';

describe('a headline', () => {
  const warning = message({}, { severity: 'warning' });
  const over = message({ status: 'resolved' });
  it.each<[string, Message[], object, string]>([
    ['of one alert', [message()], {}, '🔴 Firing: GpuMemoryHigh'],
    ['of one that lasts', [message()], { kind: 'repeat' }, '🔴 Still firing: GpuMemoryHigh'],
    ['of one that is over', [over], {}, '🟢 Resolved: GpuMemoryHigh'],
    [
      'of several: the worst gives the colour',
      [warning, message(), over],
      {},
      '🔴 2 firing, 1 resolved: GpuMemoryHigh',
    ],
    ['of several that are over', [over, over], { group: {} }, '🟢 2 resolved'],
    ['of several that last', [warning, warning], { kind: 'repeat', group: {} }, '🟠 2 still firing'],
    [
      'of several whose data ended',
      [message({ status: 'no_data' }), over],
      { group: {} },
      '⚪ 1 without data, 1 resolved',
    ],
    ['of a replay', [message({}, { replay: true })], {}, '🔴 Firing: GpuMemoryHigh (replay)'],
  ])('%s', (_, messages, change, expected) => {
    expect(headline(batch(messages, change))).toBe(expected);
  });
});

it('what to do about several alerts of a rule is said once', () => {
  const steps = ['Look at `nvidia-smi`.'];
  const of = (rule: string) => message({ rule, steps });
  const { sections } = digest(batch([of('A'), of('B'), of('A')], { group: {} }));
  expect(sections.map((section) => section.steps)).toEqual([steps, steps, []]);
});

describe('a sparkline', () => {
  it.each<[readonly number[], number, string]>([
    [[0, 0.5, 1], 0, '▁▅█'],
    [[0.9, 0.9], 0.9, '▁▁'],
    [[5, 5], 10, '▁▁'],
    [[10, 10], 5, '██'],
    [[1], 0, ''],
    [[], 0, ''],
    [[0, Number.NaN, 1], 0, '▁█'],
  ])('of %j with a threshold of %d is %s', (values, threshold, expected) => {
    expect(sparkline(values, threshold)).toBe(expected);
  });

  it('is told with its length', () => {
    expect(trendLine(message({ trend: { values: [0, 0.9, 1], seconds: 1800 } }))).toBe('▁▇█ over 30 min');
    expect(trendLine(message())).toBe('');
  });

  it('has steps of whole minutes', () => {
    expect(
      [
        { over: null, for: 0 },
        { over: 300, for: 600 },
        { over: 86_400, for: 0 },
      ].map(stepOf),
    ).toEqual([60, 120, 7200]);
  });
});

describe('texts', () => {
  it('have one line, and are cut through no character', () => {
    expect(oneLine('a\r\n\u2028\tb\u0000c')).toBe('a b c');
    expect(cut('ab😀c', 4)).toBe('ab…');
    expect(cut('a &amp; b', 7)).toBe('a …');
    expect(cutBytes('显存不足', 7)).toBe('显…');
    expect(cutBytes('abc', 3)).toBe('abc');
  });
});
