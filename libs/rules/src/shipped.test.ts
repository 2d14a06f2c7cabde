import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { differences, parseRuleCases, playCase } from './cases.js';
import { loadRules } from './load.js';
import { parseRule } from './parse.js';
import { FIELDS } from './schema.js';
import { parseDuration } from '@vigil/service';
import { ruleDuration } from './duration.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TESTS = join(ROOT, 'alerts', 'tests');
const rules = await loadRules(join(ROOT, 'alerts'));
const files = await Promise.all(
  (await readdir(TESTS)).map(async (name) => {
    const { cases, problems } = parseRuleCases(await readFile(join(TESTS, name), 'utf8'), name, rules);
    if (!cases) throw new Error(JSON.stringify(problems));
    return cases;
  }),
);
const casesOf = (name: string) => files.filter((f) => f.alert === name).flatMap((f) => f.cases);

describe('the rules of every installation', () => {
  it('hold the three of every installation', () => {
    expect(rules.map((r) => r.name)).toEqual(
      expect.arrayContaining(['ErrorRatioHigh', 'GpuMemoryHigh', 'ResponseLatencyHigh']),
    );
  });

  it.each(rules.map((r) => [r.name, r] as const))(
    '%s has a case in which it fires and one in which it is silent',
    (name) => {
      const cases = casesOf(name);
      expect(cases.filter((c) => c.expect.some((e) => e.state === 'firing')).length).toBeGreaterThan(0);
      expect(cases.filter((c) => c.expect.length === 0).length).toBeGreaterThan(0);
    },
  );

  it.each(rules.map((r) => [r.name, r] as const))('%s names a runbook that says what to do', (_, rule) => {
    const path = join(ROOT, rule.action);
    expect(existsSync(path), path).toBe(true);
    const runbook = readFileSync(path, 'utf8');
    expect(runbook).toContain(rule.file);
    for (const part of ['## What it means', '## What to do', '## What to look at']) expect(runbook).toContain(part);
  });
});

describe.each(rules.map((r) => [r.name, r] as const))('%s', (name, rule) => {
  it.each(casesOf(name).map((c) => [c.name, c] as const))('%s', (_, played) => {
    expect(differences(played, playCase(rule, played))).toEqual([]);
  });
});

it.each([
  ['90s', '1m30s'],
  ['10m', '10m'],
  ['1h', '1h'],
  ['250ms', '250ms'],
  ['0s', '0s'],
])('the duration %s is written %s', (text, written) => {
  expect(ruleDuration(parseDuration(text)!)).toBe(written);
});

describe('the examples of docs/RULES.md', () => {
  const page = readFileSync(join(ROOT, 'docs', 'RULES.md'), 'utf8');
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
  const examples = blocks.filter((text) => text.includes('\nsignal:'));
  const known = examples.map((text) => parseRule(text, 'docs/RULES.md'));

  it('are rules', () => {
    expect(examples.length).toBeGreaterThan(5);
    expect(known.flatMap(({ problems }) => problems)).toEqual([]);
  });

  it('have test cases that pass', () => {
    for (const text of blocks.filter((block) => block.includes('\ncases:'))) {
      const { cases, problems } = parseRuleCases(
        text,
        'docs/RULES.md',
        known.flatMap(({ rule: one }) => one ?? []),
      );
      expect(problems).toEqual([]);
      const rule = known.find(({ rule: one }) => one?.name === cases!.alert)!.rule!;
      for (const one of cases!.cases) expect(differences(one, playCase(rule, one))).toEqual([]);
    }
  });

  it('name every field', () => {
    for (const field of Object.keys(FIELDS.shape)) expect(page).toMatch(new RegExp(`^\\| \`${field}\` `, 'm'));
  });
});
