import { describeProblem, differences, parseRuleCases, playCase, type Rule, type RuleCases } from '@vigil/rules';
import type { Gathered } from './gather.js';

export interface CheckReport {
  ok: boolean;
  rules: { rule: string; file: string }[];
  /** How many test cases there are. */
  cases: number;
  /** `file:line: what is wrong`. */
  mistakes: string[];
}

/** What is wrong with rules and with their test cases. */
export function checkRules(gathered: Gathered): CheckReport {
  const { rules, mistakes, files } = read(gathered);
  return {
    ok: mistakes.length === 0,
    rules: rules.map(({ name, file }) => ({ rule: name, file })),
    cases: files.reduce((n, { cases }) => n + cases.cases.length, 0),
    mistakes,
  };
}

export interface CaseResult {
  rule: string;
  case: string;
  /** `alerts/tests/gpu.yaml:12`. */
  at: string;
  ok: boolean;
  /** A sentence each. */
  differences: string[];
}

export interface TestReport {
  ok: boolean;
  results: CaseResult[];
  mistakes: string[];
  /** Rules without a test case. */
  untested: string[];
  /** For a person. */
  lines: string[];
}

/** Plays every test case, or those of one rule. */
export function testRules(gathered: Gathered, only?: string): TestReport {
  const { rules, mistakes, files } = read(gathered);
  const wanted = rules.filter(({ name }) => only === undefined || name === only);
  if (only !== undefined && wanted.length === 0) mistakes.push(`There is no rule "${only}".`);
  const results = wanted.flatMap((rule) =>
    files.filter(({ cases }) => cases.alert === rule.name).flatMap((file) => play(rule, file)),
  );
  const untested = wanted.map(({ name }) => name).filter((name) => !results.some(({ rule }) => rule === name));
  const failed = results.filter(({ ok }) => !ok).length;
  const lines = [
    ...mistakes,
    ...results.flatMap((result) => [
      `${result.ok ? '✓' : '✗'} ${result.rule}: ${result.case}`,
      ...(result.ok ? [] : [`  ${result.at}`, ...result.differences.map((line) => `  ${line}`)]),
    ]),
    ...(untested.length > 0 ? [`– without a test case: ${untested.join(', ')}`] : []),
    '',
    `${results.length - failed} passed, ${failed} failed${mistakes.length > 0 ? `, ${mistakes.length} mistakes` : ''}`,
  ];
  return { ok: failed === 0 && mistakes.length === 0, results, mistakes, untested, lines };
}

interface CaseFile {
  file: string;
  cases: RuleCases;
  lineOf: (index: number) => number;
}

function play(rule: Rule, { file, cases, lineOf }: CaseFile): CaseResult[] {
  return cases.cases.map((one, i) => {
    const found = differences(one, playCase(rule, one));
    return { rule: rule.name, case: one.name, at: `${file}:${lineOf(i)}`, ok: found.length === 0, differences: found };
  });
}

function read({ rules: adopted, refused, cases }: Gathered): {
  rules: Rule[];
  mistakes: string[];
  files: CaseFile[];
} {
  const rules = adopted.map(({ rule }) => rule);
  const mistakes = refused.flatMap(({ error }) => error.split('\n'));
  const files: CaseFile[] = [];
  for (const { origin, text } of cases) {
    const parsed = parseRuleCases(text, origin, rules);
    mistakes.push(...parsed.problems.map(describeProblem));
    if (parsed.cases) files.push({ file: origin, cases: parsed.cases, lineOf: parsed.lineOf });
  }
  return { rules, mistakes, files };
}
