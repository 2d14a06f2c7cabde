import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadRules, RuleError } from './load.js';
import { parseRule } from './parse.js';
import { FIELDS } from './schema.js';
import { render } from './template.js';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'vigil-rules-')), 'alerts');
  await mkdir(folder);
});
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }));

const GOOD = {
  alert: 'Full',
  signal: 'gpu.memory.ratio',
  condition: '{ above: 0.9 }',
  for: '10m',
  by: '[node, gpu]',
  severity: 'critical',
  summary: "'{{ $labels.gpu }}'",
  action: 'docs/runbooks/x.md',
};

/** A rule file, a field a line, in the order above; `undefined` leaves a field out. */
const text = (change: Record<string, string | undefined> = {}): string =>
  Object.entries({ ...GOOD, ...change })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');

const write = (name: string, content: string) => writeFile(join(folder, name), content);

async function mistakes(): Promise<string[]> {
  const error = await loadRules(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RuleError);
  return (error as Error).message.split('\n').map((line) => line.replaceAll(`${join(folder, '..')}/`, ''));
}

describe('a good folder', () => {
  it('is read file by file, whatever else lies in it', async () => {
    await write('b.yml', text({ alert: 'B', by: undefined, where: '{ replay: true }', for: undefined }));
    await write('a.yaml', text({ alert: 'A', signal: 'request.error.ratio', over: '5m', by: '[]', summary: 'x' }));
    await write('prometheus.rules.yaml', 'groups: []');
    await write('prometheus.recommended.rules.yaml', 'groups: []');
    await write('notes.txt', 'nothing');
    await write('.hidden.yaml', 'nothing');
    await mkdir(join(folder, 'tests'));
    await writeFile(join(folder, 'tests', 'x.yaml'), 'nothing');
    const rules = await loadRules(folder);
    expect(rules.map((r) => [r.name, relative(join(folder, '..'), r.file), r.over, r.for, r.by, r.where])).toEqual([
      ['A', 'alerts/a.yaml', 300, 600, [], {}],
      ['B', 'alerts/b.yml', null, 0, ['node', 'gpu', 'replay'], { replay: 'true' }],
    ]);
    expect(render(rules[1]!.summary, { gpu: '7' }, 1, '1')).toBe('7');
  });
});

describe('a wrong file is named with its line and mistake', () => {
  it.each<[string, string, string]>([
    [
      'an unknown signal',
      text({ signal: 'gpu.memory.rato' }),
      '2: There is no signal "gpu.memory.rato"; did you mean gpu.memory.ratio?',
    ],
    ['a signal like no other', text({ signal: 'weather' }), '2: There is no signal "weather".'],
    [
      'a bad duration',
      text({ for: '10 minutes' }),
      '4: "for" is "10 minutes": a duration such as 30s, 5m or 1h is expected.',
    ],
    ['a duration without a unit', text({ for: '600' }), '4: "for" must be a duration such as 30s, 5m or 1h.'],
    [
      'a window of nothing',
      text({ over: '0s' }),
      '9: "over" is "0s": a duration such as 30s, 5m or 1h of at least 1s is expected.',
    ],
    [
      'a counted signal without a window',
      text({ signal: 'request.error.ratio', by: '[]', summary: 'x' }),
      '2: "over" is missing: request.error.ratio is counted over a window, such as over: 5m.',
    ],
    [
      'an age over a window',
      text({ signal: 'gpu.silence', condition: '{ above: 60 }', over: '5m' }),
      '9: "over" has no meaning: gpu.silence is known at every moment. Leave it out, or take "for".',
    ],
    [
      'a count without a window',
      text({ signal: 'gpu.xid.count', condition: '{ above: 0 }' }),
      '2: "over" is missing: gpu.xid.count is counted over a window, such as over: 5m.',
    ],
    ['neither on nor off', text({ enabled: 'maybe' }), '9: "enabled" must be true or false.'],
    ['an unknown field', text({ foor: '1m' }), '9: There is no field "foor"; did you mean for?'],
    ['an unknown condition', text({ condition: '{ abov: 1 }' }), '3: There is no field "abov"; did you mean above?'],
    [
      'two conditions',
      text({ condition: '{ above: 0.9, below: 0.1 }' }),
      '3: "condition" must be one of above, below or outside, such as { above: 0.9 } or { outside: [20, 80] }.',
    ],
    ['a threshold that is text', text({ condition: '{ above: "90%" }' }), '3: "condition.above" must be a number.'],
    [
      'a ratio in percent',
      text({ condition: '{ above: 90 }' }),
      '3: "condition.above" is 90, but gpu.memory.ratio goes from 0 to 1: write 0.9 for 90 %.',
    ],
    [
      'a missing condition',
      text({ condition: undefined }),
      '1: "condition" is missing: one of above, below or outside, such as { above: 0.9 } is expected.',
    ],
    [
      'an unknown label',
      text({ by: '[node, gpu, model]' }),
      '5: gpu.memory.ratio has no label "model"; it has node, gpu, replay.',
    ],
    ['a label twice', text({ by: '[gpu, gpu]' }), '5: "by" names gpu twice.'],
    [
      'an unknown label to match',
      text({ where: '{ model: x }' }),
      '9: gpu.memory.ratio has no label "model"; it has node, gpu, replay.',
    ],
    ['an unknown severity', text({ severity: 'bad' }), '6: "severity" must be one of info, warning, critical.'],
    [
      'a template with an unknown label',
      text({ summary: "'{{ $labels.model }}'" }),
      '7: "summary" names the label model, which this alert does not have (it has node, gpu).',
    ],
    [
      'a template that is not closed',
      text({ summary: "'{{ $value'" }),
      '7: "summary" has a "{{" that is never closed with "}}".',
    ],
    [
      'no action',
      text({ action: undefined }),
      '1: "action" is missing: a path to a runbook such as docs/runbooks/gpu-memory-high.md is expected.',
    ],
    [
      'an action that runs',
      text({ action: 'javascript:alert(1)' }),
      '8: "action" must be a path to a runbook or an http(s) address.',
    ],
    ['an address that is none', text({ action: 'https://' }), '8: "action" must be a path to a runbook'],
    [
      'a name with blanks',
      text({ alert: 'GPU is full' }),
      '1: "alert" must be a name of letters, digits and underscores, such as GpuMemoryHigh.',
    ],
    ['a name that is a number', text({ alert: '5' }), '1: "alert" must be a name such as GpuMemoryHigh.'],
    ['a field twice', `${text()}alert: Y\n`, '9: This is not YAML: Map keys must be unique.'],
    ['two documents', `${text()}---\n${text()}`, '9: There is a second document: one rule a file is expected.'],
    ['a broken line', `alert: X\nsignal: [\n`, '3: This is not YAML: '],
    ['an empty file', '', '1: The file holds no rule: fields such as "alert: GpuMemoryHigh" are expected.'],
    ['a list', '- alert: X\n', '1: The file holds no rule'],
    [
      'aliases that stand for a billion words',
      [
        'a: &a [x, x, x, x, x, x, x, x, x]',
        ...[...'bcdefghi'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`)}]`),
      ].join('\n'),
      '1: This is not YAML that can be read: Excessive alias count indicates a resource exhaustion attack.',
    ],
    ['an alias of nothing', text({ alert: '*x' }), '1: This is not YAML that can be read: Unresolved alias'],
    [
      'a thousand years',
      text({ for: '1000000d' }),
      '4: "for" is "1000000d": a duration such as 30s, 5m or 1h of a year at the most',
    ],
    ['a NUL character', text({ summary: '"a\\0b"' }), '7: "summary" holds a NUL character.'],
    ['a huge file', `# ${'x'.repeat(70_000)}\n${text()}`, '1: The file is larger than 16 KiB'],
  ])('%s', async (_, content, mistake) => {
    await write('gpu.yaml', content);
    const found = await mistakes();
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`alerts/gpu.yaml:${mistake}`);
  });

  it.each([
    ['brackets without an end', '['.repeat(16_000)],
    ['thousands of fields', Array.from({ length: 1500 }, (_, i) => `key${i}: 1\n`).join('')],
  ])('%s: at most twenty mistakes', async (_, content) => {
    await write('gpu.yaml', content);
    const { length } = await mistakes();
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThanOrEqual(20);
  });

  it('a duplicate name', async () => {
    await write('a.yaml', text());
    await write('b.yaml', `# the same\n${text()}`);
    expect(await mistakes()).toEqual([
      'alerts/b.yaml:2: The alert Full is already defined in alerts/a.yaml:1: rename one.',
    ]);
  });

  it('all mistakes of all files at once', async () => {
    await write('a.yaml', text({ signal: 'x.y', for: 'soon', severity: 'bad' }));
    await write('b.yaml', text({ by: '[model]', summary: "'{{ $labels.model }}'" }));
    expect((await mistakes()).map((line) => line.split(': ')[0])).toEqual([
      'alerts/a.yaml:2',
      'alerts/a.yaml:4',
      'alerts/a.yaml:6',
      'alerts/b.yaml:5',
      'alerts/b.yaml:7',
    ]);
  });
});

describe('whatever a field holds', () => {
  const ODD = [
    'null',
    '[]',
    '{}',
    '""',
    '-1',
    '1e400',
    '.nan',
    'true',
    '[null]',
    '[[]]',
    '{ a: null }',
    '{ above: {} }',
    '!!binary aGk=',
    '2026-01-01',
    '&a [*a]',
    '"\\uD800"',
    '[node, 5, {}]',
    '{ __proto__: 1 }',
    '{ constructor: { above: 1 } }',
  ];

  it.each(Object.keys(FIELDS.shape))('"%s" is read or refused, and nothing breaks', (field) => {
    for (const odd of ODD) {
      const { rule, problems } = parseRule(text({ [field]: odd }), 'odd.yaml');
      expect(rule === undefined, odd).toBe(problems.length > 0);
      for (const { mistake } of problems) expect(mistake).toMatch(/[.?]$/);
    }
  });
});

describe('a folder', () => {
  it('that is not there is named', async () => {
    await expect(loadRules(join(folder, 'none'))).rejects.toThrow(
      `The folder of rules ${join(folder, 'none')} can't be read (ENOENT). Set RULES_DIR`,
    );
  });

  it('without a rule is named', async () => {
    await expect(loadRules(folder)).rejects.toThrow(`The folder of rules ${folder} holds no *.yaml file.`);
  });
});
