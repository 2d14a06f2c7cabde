import { describe, expect, it } from 'vitest';
import { HOSTILE, message } from '../testing.js';
import { matches, selects, subjectOf } from './match.js';

describe('a pattern', () => {
  it.each([
    ['gpu-1', 'gpu-1', true],
    ['gpu-1', 'gpu-10', false],
    ['gpu-*', 'gpu-10', true],
    ['gpu-*', 'gpu-', true],
    ['gpu-*', 'gpu', false],
    ['*', '', true],
    ['', '', true],
    ['', 'x', false],
    ['*-eu', 'node-eu', true],
    ['*-eu', 'node-eu-1', false],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['aa*aa', 'aaa', false],
    ['a**b', 'ab', true],
    ['*.internal*', 'x.internal:8000', true],
    ['gpu.1', 'gpu-1', false],
    ['*b*', 'abc', true],
    ['*bc*c', 'abc', false],
  ])('%j and %j: %s', (pattern, value, expected) => {
    expect(matches(pattern, value)).toBe(expected);
  });

  it('takes time in proportion, whatever it is', () => {
    const begin = performance.now();
    expect(matches(`${'*a'.repeat(5000)}*b`, 'a'.repeat(20_000))).toBe(false);
    // A backtracking matcher would not come to an end at all.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});

describe('an alert is chosen', () => {
  const subject = subjectOf(message({ labels: { node: 'gpu-1', model: 'r1', replay: 'true' } }));
  it.each<[string, Record<string, string[]>, Record<string, string[]>, boolean]>([
    ['by nothing: all are', {}, {}, true],
    ['by a label', { node: ['gpu-1'] }, {}, true],
    ['by one of several', { node: ['gpu-2', 'gpu-*'] }, {}, true],
    ['by all labels', { node: ['gpu-1'], model: ['v3'] }, {}, false],
    ['by rule and severity', { rule: ['GpuMemory*'], severity: ['critical'] }, {}, true],
    ['by a label that it has not', { team: ['a'] }, {}, false],
    ['by the absence of a label', { team: [''] }, {}, true],
    ['unless', { node: ['gpu-1'] }, { replay: ['true'] }, false],
    ['unless all of it', { node: ['gpu-1'] }, { replay: ['true'], model: ['v3'] }, true],
    ['not by what every object has', { constructor: ['*Object*'] }, {}, false],
  ])('%s', (_, match, unless, expected) => {
    expect(selects({ match, unless }, subject)).toBe(expected);
  });

  it('a label named like one of ours does not stand in for it', () => {
    const sly = subjectOf(message({ labels: { severity: 'info', rule: 'x' } }));
    expect(sly).toMatchObject({ severity: 'critical', rule: 'GpuMemoryHigh' });
  });

  it('by any value, taken literally', () => {
    for (const value of Object.values(HOSTILE))
      expect(matches(value.replaceAll('*', '?'), value.replaceAll('*', '?'))).toBe(true);
  });
});
