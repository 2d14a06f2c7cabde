import { describe, expect, it } from 'vitest';
import { aboutOf } from './levels.js';
import { parseRule } from './parse.js';
import { adopt, type Definition, type RuleSet } from './rule-set.js';
import { testRule } from './testing.js';

const NOTHING: RuleSet = { rules: [], refused: [] };
const text = (name: string, threshold = 0.9) =>
  `alert: ${name}\nsignal: gpu.memory.ratio\ncondition: { above: ${threshold} }\nseverity: info\nsummary: x\naction: docs/x.md\n`;
const file = (origin: string, content: string): Definition => ({ origin, text: content });
const inForce = ({ rules }: RuleSet) =>
  rules.map(({ origin, rule, error }) => [
    origin,
    rule.name,
    (rule.condition as { threshold: number }).threshold,
    error,
  ]);
const first = adopt(NOTHING, [file('a.yaml', text('A')), file('b.yaml', text('B'))]);

describe('rules that are read anew', () => {
  it('are in force', () => {
    expect(inForce(first)).toEqual([
      ['a.yaml', 'A', 0.9, null],
      ['b.yaml', 'B', 0.9, null],
    ]);
    expect(first.refused).toEqual([]);
  });

  it('are as they are now: changed, new, gone', () => {
    const now = adopt(first, [file('a.yaml', text('A', 0.8)), file('c.yaml', text('C'))]);
    expect(inForce(now)).toEqual([
      ['a.yaml', 'A', 0.8, null],
      ['c.yaml', 'C', 0.9, null],
    ]);
  });

  it('stay as they were where they can not be read any more, and stop no other', () => {
    const now = adopt(first, [file('a.yaml', text('A').replace('memory', 'memry')), file('b.yaml', text('B', 0.5))]);
    expect(inForce(now)).toEqual([
      ['a.yaml', 'A', 0.9, 'a.yaml:2: There is no signal "gpu.memry.ratio"; did you mean gpu.memory.ratio?'],
      ['b.yaml', 'B', 0.5, null],
    ]);
    // The mistake does not wear off, and its mending is seen.
    expect(inForce(adopt(now, [file('a.yaml', ': ')]))[0]![2]).toBe(0.9);
    expect(inForce(adopt(now, [file('a.yaml', text('A', 0.7))]))).toEqual([['a.yaml', 'A', 0.7, null]]);
    expect(inForce(adopt(now, [file('a.yaml', text('A'))]))).toEqual([['a.yaml', 'A', 0.9, null]]);
  });

  it('stay as they were where their file can not be opened', () => {
    const now = adopt(first, [{ origin: 'a.yaml', text: '', unreadable: "The file can't be read (EACCES)." }]);
    expect(inForce(now)).toEqual([['a.yaml', 'A', 0.9, "a.yaml:1: The file can't be read (EACCES)."]]);
  });

  it('that were never good are refused, with every mistake', () => {
    const now = adopt(first, [file('a.yaml', text('A')), file('z.yaml', text('Z', 90).replace('info', 'bad'))]);
    expect(inForce(now)).toHaveLength(1);
    expect(now.refused).toEqual([
      {
        origin: 'z.yaml',
        error: expect.stringMatching(/^z\.yaml:3: "condition\.above" is 90.*\nz\.yaml:4: "severity" must be/),
      },
    ]);
  });
});

describe('a name', () => {
  it('stays with whoever has it, whatever comes before it in the alphabet', () => {
    const now = adopt(first, [file('0.yaml', text('A', 0.1)), file('a.yaml', text('A')), file('b.yaml', text('B'))]);
    expect(inForce(now).map(([origin]) => origin)).toEqual(['a.yaml', 'b.yaml']);
    expect(now.refused).toEqual([
      { origin: '0.yaml', error: '0.yaml:1: The alert A is already defined in a.yaml:1: rename one.' },
    ]);
  });

  it('that is taken leaves a rule as it was under its former name', () => {
    const now = adopt(first, [file('a.yaml', text('A')), file('b.yaml', text('A', 0.2))]);
    expect(inForce(now)).toEqual([
      ['a.yaml', 'A', 0.9, null],
      ['b.yaml', 'B', 0.9, 'b.yaml:1: The alert A is already defined in a.yaml:1: rename one.'],
    ]);
  });

  it('moves with its rule from one file to another', () => {
    expect(inForce(adopt(first, [file('a2.yaml', text('A')), file('b.yaml', text('B'))]))).toEqual([
      ['a2.yaml', 'A', 0.9, null],
      ['b.yaml', 'B', 0.9, null],
    ]);
  });

  it('can be exchanged between two files', () => {
    expect(inForce(adopt(first, [file('a.yaml', text('B', 0.1)), file('b.yaml', text('A', 0.2))]))).toEqual([
      ['a.yaml', 'B', 0.1, null],
      ['b.yaml', 'A', 0.2, null],
    ]);
  });

  it('of a rule of the API is lost to a file: both replicas decide alike, whoever read it first', () => {
    const team = adopt(NOTHING, [file('/api/v1/rules/T', text('T'))]);
    const found = [file('t.yaml', text('T', 0.3)), file('/api/v1/rules/T', text('T'))];
    for (const before of [team, NOTHING]) {
      const now = adopt(before, found);
      expect(inForce(now)).toEqual([['t.yaml', 'T', 0.3, null]]);
      expect(now.refused[0]!.origin).toBe('/api/v1/rules/T');
    }
  });
});

describe('an alert is about a rule', () => {
  const levels = parseRule(
    'alert: L\nsignal: gpu.power\nby: [node]\nlevels: { warning: { above: 1 }, critical: { above: 2 } }\nsummary: x\naction: x',
    'l.yaml',
  ).rule!;
  it.each([
    [testRule(), { node: 'a', gpu: '0' }, true],
    [testRule(), { node: 'a' }, false],
    [testRule(), { node: 'a', gpu: '0', replay: 'true' }, false],
    [testRule('0s', 'where: { replay: true }'), { node: 'a', gpu: '0', replay: 'true' }, true],
    [testRule('0s', 'where: { replay: true }'), { node: 'a', gpu: '0', replay: 'false' }, false],
    [levels, { node: 'a', severity: 'warning' }, true],
    [levels, { node: 'a', severity: 'info' }, false],
    [levels, { node: 'a' }, false],
  ])('%# as long as it has its labels', (rule, labels, is) => {
    expect(aboutOf(rule)(labels as Record<string, string>)).toBe(is);
  });
});
