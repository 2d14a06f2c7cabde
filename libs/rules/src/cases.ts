import { parseDuration } from '@vigil/service';
import { z } from 'zod';
import { combine } from './combine.js';
import { ruleDuration } from './duration.js';
import { decideLevels } from './levels.js';
import { readDocument, reportIssues, type Path, type Problem, type Report } from './document.js';
import { fullStop, suggestion } from './nearest.js';
import { summaryOf } from './summary.js';
import { ALERT_STATES, type Alert, type Reading, type Rule, type Transition } from './types.js';

const duration = z.string('must be a duration such as 15s').transform((text, context) => {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: `is "${text}": a duration such as 15s or 5m is expected` });
  return z.NEVER;
});

const MAX_BYTES = 256 * 1024;
/** Beats of a case at the most. */
const MAX_BEATS = 100_000;

/** `0.5x2 _` as values: 0.5, 0.5, nothing. @throws Error whose message is no whole sentence */
export function expand(values: string): (number | null)[] {
  const words = values.trim().split(/\s+/);
  let beats = 0;
  return words.flatMap((word) => {
    const [, value, times] = /^(_|-?\d+(?:\.\d+)?)(?:x(\d{1,6}))?$/.exec(word) ?? [];
    if (value === undefined) throw new Error(`"${word}" is none of 0.5, 0.5x10 and _x3`);
    beats += Number(times ?? 1);
    if (beats > MAX_BEATS) throw new Error(`there are more than ${MAX_BEATS} beats`);
    return Array.from({ length: Number(times ?? 1) }, () => (value === '_' ? null : Number(value)));
  });
}

const values = z
  .union([z.string(), z.number().transform(String)], { error: 'must be values such as 0.5x10 0.95x3 _x2' })
  .transform((text, context) => {
    try {
      return expand(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `is not a list of values: ${(error as Error).message}` });
      return z.NEVER;
    }
  });

const labels = z
  .record(
    z.string(),
    z.union([z.string(), z.number().transform(String), z.boolean().transform(String)], { error: 'must be a text' }),
    { error: 'must be labels with their values, such as { gpu: 0 }' },
  )
  .default({});

const SERIES = z.strictObject({
  labels: labels.describe('Those that the rule keeps alerts apart by'),
  values: values.describe(
    "The signal's values, one a beat: 0.5x10 0.95x3 _x2 is ten times 0.5, three times 0.95, twice nothing",
  ),
  samples: values
    .optional()
    .describe('How many requests each value rests on, where the rule has minSamples; of a comparison the earlier one'),
  earlier: values
    .optional()
    .describe("The signal's values at the time that it is compared with, where the rule has comparedWith"),
  and: z
    .array(values, { error: 'must be a list of values, one for each signal of "and"' })
    .default([])
    .describe("The values of the other signals, in the order of the rule's and"),
});

const TOLD = z.strictObject({
  at: duration.describe('How long after the beginning, such as 10m'),
  state: z.enum(ALERT_STATES, { error: `must be one of ${ALERT_STATES.join(', ')}` }),
  labels,
  summary: z.string('must be a text').optional().describe('What the message says; not looked at unless given'),
});

const CASE = z.strictObject({
  name: z.string('must be a name').describe('What it shows, as a sentence'),
  every: duration.describe('Time between two beats, such as 15s'),
  series: z.array(SERIES, { error: 'must be a list of series' }).min(1, 'needs a series'),
  expect: z
    .array(TOLD, { error: 'must be a list of what people are told, or []' })
    .describe('What people are told; empty where they shall not be told anything'),
});

const CASES = z.strictObject({
  alert: z.string('must be the name of a rule').describe('The rule, by its name'),
  cases: z.array(CASE, { error: 'must be a list of cases' }).min(1, 'needs a case'),
});

/** A JSON Schema that editors complete files of test cases from. What depends on the rule `vigil rules check` says. */
export const caseSchema = (): object => ({
  ...z.toJSONSchema(CASES, { io: 'input', unrepresentable: 'any' }),
  title: 'Test cases of an alert rule of Vigil',
});

export type RuleCases = z.output<typeof CASES>;
export type RuleCase = RuleCases['cases'][number];

/** A file of test cases that was read. */
export interface ReadCases {
  cases?: RuleCases;
  /** The line of a case, by its place. */
  lineOf: (index: number) => number;
  problems: Problem[];
}

const FIELDS_AT: Readonly<Record<string, readonly string[]>> = {
  cases: Object.keys(CASE.shape),
  series: Object.keys(SERIES.shape),
  expect: Object.keys(TOLD.shape),
};

/**
 * Reads a file of test cases for one rule.
 * @param rules one of which the cases are about
 */
export function parseRuleCases(source: string, file: string, rules: readonly Rule[]): ReadCases {
  const expected = 'The file holds no test cases: "alert" and "cases" are expected.';
  const { raw, lineAt, report, problems } = readDocument(source, file, expected, MAX_BYTES);
  const lineOf = (index: number) => lineAt(['cases', index, 'name']);
  if (!raw) return { lineOf, problems: problems() };
  const parsed = CASES.safeParse(raw);
  const known = (path: Path) =>
    FIELDS_AT[String(path.findLast((key) => typeof key === 'string'))] ?? ['alert', 'cases'];
  if (!parsed.success) reportIssues(parsed.error, known, report);
  else checkCases(parsed.data, rules, report);
  const found = problems();
  return { ...(parsed.success && found.length === 0 && { cases: parsed.data }), lineOf, problems: found };
}

/** What in cases does not fit their rule. */
function checkCases({ alert, cases }: RuleCases, rules: readonly Rule[], report: Report): void {
  const rule = rules.find(({ name }) => name === alert);
  if (!rule) {
    const near = suggestion(
      alert,
      rules.map(({ name }) => name),
    );
    return report(['alert'], `There is no rule "${alert}" beside these cases${near}${fullStop(near)}`);
  }
  for (const [i, { series }] of cases.entries())
    for (const [j, one] of series.entries()) {
      const at = (field: string): Path => ['cases', i, 'series', j, field];
      const given = Object.keys(one.labels).toSorted().join(', ');
      const wanted = rule.by.toSorted().join(', ');
      if (given !== wanted)
        report(at('labels'), `The labels are {${given}}, and ${rule.name} keeps alerts apart by {${wanted}}.`);
      if (one.and.length !== rule.also.length)
        report(
          at('and'),
          `"and" has ${one.and.length} lists of values, and ${rule.name} has ${rule.also.length} other signals.`,
        );
      if ((one.earlier === undefined) !== (rule.comparedWith === null))
        report(
          at('earlier'),
          rule.comparedWith === null
            ? `"earlier" has no meaning: ${rule.name} is not compared with an earlier time.`
            : `"earlier" is missing: ${rule.name} is compared with an earlier time.`,
        );
    }
}

/** One change of state that people are told of. */
export interface Told {
  /** Seconds since the case began. */
  at: number;
  state: Transition['to'];
  labels: Record<string, string>;
  summary: string;
}

/** Plays a case's series, beat by beat, and answers what people would have been told. */
export function playCase(rule: Rule, { every, series }: Pick<RuleCase, 'every' | 'series'>): Told[] {
  const beats = Math.max(...series.map((one) => one.values.length));
  const told: Told[] = [];
  let alerts: Alert[] = [];
  for (let beat = 0; beat < beats; beat++) {
    const now = new Date(beat * every * 1000);
    const options = { maxGapSeconds: every * 4, absenceCounts: true };
    const decisions = decideLevels(rule, alerts, readingsAt(rule, series, beat), now, options);
    alerts = decisions.flatMap((decision) => decision.alerts);
    for (const { rule: level, transitions } of decisions)
      for (const { to, alert, notify } of transitions)
        if (notify) told.push({ at: beat * every, state: to, labels: alert.labels, summary: summaryOf(level, alert) });
  }
  return told;
}

function readingsAt(rule: Rule, series: RuleCase['series'], beat: number): Reading[] {
  const of = (pick: (one: RuleCase['series'][number]) => readonly (number | null)[] | undefined): Reading[] =>
    series.flatMap((one) => {
      const value = pick(one)?.[beat] ?? null;
      const samples = one.samples?.[beat] ?? undefined;
      return value === null ? [] : [{ labels: one.labels, value, ...(samples !== undefined && { samples }) }];
    });
  return combine(rule, [
    of((one) => one.values),
    ...(rule.comparedWith === null ? [] : [of((one) => one.earlier)]),
    ...rule.also.map((_, i) => of((one) => one.and[i])),
  ]);
}

/** Where what people were told differs from what a case expects, a sentence each. */
export function differences({ expect, every }: Pick<RuleCase, 'expect' | 'every'>, told: readonly Told[]): string[] {
  const left = [...told];
  const missing: string[] = [];
  for (const wanted of expect) {
    const i = left.findIndex((one) => keyOf(one) === keyOf(wanted));
    const [found] = i < 0 ? [] : left.splice(i, 1);
    if (!found) missing.push(`${describe(wanted, every)} was expected, and nothing like it came.`);
    else if (wanted.summary !== undefined && wanted.summary !== found.summary)
      missing.push(`${describe(wanted, every)} says "${found.summary}", and "${wanted.summary}" was expected.`);
  }
  return [...missing, ...left.map((one) => `${describe(one, every)} came, and was not expected.`)];
}

const sorted = (given: Readonly<Record<string, string>>) =>
  Object.entries(given).toSorted(([a], [b]) => (a < b ? -1 : 1));

const keyOf = ({ at, state, labels: given }: Pick<Told, 'at' | 'state' | 'labels'>): string =>
  JSON.stringify([at, state, sorted(given)]);

function describe({ at, state, labels: given }: Pick<Told, 'at' | 'state' | 'labels'>, every: number): string {
  const set = sorted(given).map(([label, value]) => `${label}: ${value}`);
  return `${state} { ${set.join(', ')} } at ${ruleDuration(at)} (beat ${Math.round(at / every) + 1})`;
}
