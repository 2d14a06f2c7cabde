import {
  aggregatesOf,
  findSignal,
  restsOnRequests,
  SIGNALS,
  takesWindow,
  type Aggregate,
  type Label,
  type Matchers,
  type Signal,
} from '@vigil/signals';
import { ruleDuration } from './duration.js';
import type { Path, Report } from './document.js';
import { fullStop, suggestion } from './nearest.js';
import { FIELDS, type ConditionFields, type Fields } from './schema.js';
import { parseTemplate, TemplateError, type Template } from './template.js';
import { SEVERITIES, type Also, type Condition, type Level, type Query, type Rule } from './types.js';

type Raw = Record<string, unknown>;

/** What a schema can't know: what depends on the signal. Runs on half-good files too, to name all mistakes at once. */
export function buildRule(raw: Raw, fields: Fields | undefined, file: string, report: Report): Rule | undefined {
  const signal = signalOf(raw.signal, ['signal'], report);
  const isRatio = raw.comparedWith !== undefined;
  checkLevels(raw, isRatio ? undefined : signal, report);
  if (!signal) return undefined;
  const by = labels(raw.by, signal, report);
  const query = queryOf(raw, signal, by, [], report);
  if (isRatio && signal.compute.kind !== 'quotient' && signal.compute.kind !== 'rate')
    report(['comparedWith'], `"comparedWith" has no meaning: ${signal.id} is not counted over a window.`);
  if (raw.minSamples !== undefined && !restsOnRequests(signal))
    report(['minSamples'], `"minSamples" has no meaning: ${signal.id} does not rest on requests.`);
  if (raw.noDataFor !== undefined && takesWindow(signal) === 'never' && signal.compute.kind === 'age')
    report(['noDataFor'], `"noDataFor" has no meaning: ${signal.id} has a value exactly when data end.`);
  const also = alsoOf(raw.and, by, report);
  const summary = template(raw.summary, [...new Set([...by, ...Object.keys(query.where)])], report);
  if (!fields || !summary) return undefined;
  const levels = levelsIn(fields);
  const worst = levels.at(-1)!;
  return {
    ...query,
    name: fields.alert,
    file,
    enabled: fields.enabled,
    unit: isRatio ? '1' : signal.unit,
    ...worst,
    levels: levels.length > 1 ? levels : [],
    comparedWith: fields.comparedWith ?? null,
    also: also.map((clause, i) => ({ ...clause, over: fields.and[i]?.over ?? null })),
    minSamples: fields.minSamples ?? 0,
    for: fields.for,
    keepFiring: fields.keepFiring,
    noData: fields.noData,
    noDataFor: fields.noDataFor,
    over: fields.over ?? null,
    summary,
    action: fields.action,
  };
}

/** A mean can be named by what it is the mean of: `response.latency`. */
function signalOf(id: unknown, path: Path, report: Report): Signal | undefined {
  if (typeof id !== 'string' || id === '') return undefined;
  const signal = findSignal(id) ?? findSignal(`${id}.mean`);
  if (signal) return signal;
  const ids = SIGNALS.map((s) => s.id);
  const near = suggestion(id, ids);
  report(path, `There is no signal "${id}"${near}${fullStop(near)}`);
  return undefined;
}

/** What one signal is asked for; its window is put in later, where it is a duration. */
function queryOf(raw: Raw, signal: Signal, by: readonly Label[], path: Path, report: Report): Query {
  const at = (field: string): Path => [...path, field];
  const takes = takesWindow(signal);
  if (takes === 'always' && raw.over === undefined)
    report(at('signal'), `"over" is missing: ${signal.id} is counted over a window, such as over: 5m.`);
  if (takes === 'never' && raw.over !== undefined)
    report(at('over'), `"over" has no meaning: ${signal.id} is known at every moment. Leave it out, or take "for".`);
  const known = aggregatesOf(signal);
  if (typeof raw.aggregate === 'string' && !(known as readonly string[]).includes(raw.aggregate)) {
    const has = known.length === 0 ? 'it is one figure by nature' : `it has ${known.join(', ')}`;
    report(at('aggregate'), `${signal.id} has no ${raw.aggregate}: ${has}.`);
  } else if (raw.aggregate !== undefined && raw.over === undefined && takes === 'optional')
    report(at('aggregate'), `"over" is missing: ${String(raw.aggregate)} is taken over a window, such as over: 5m.`);
  checkWindow(raw, signal, at('over'), report);
  const where = matchers(raw.where, signal, report, path);
  return { signal, aggregate: (raw.aggregate as Aggregate | undefined) ?? 'mean', over: null, by, where };
}

/** What is read value by value, since roll-ups keep sums alone, may not look back for long. */
const LONGEST_OF_VALUES = 6 * 3600;

function checkWindow(raw: Raw, signal: Signal, path: Path, report: Report): void {
  const over = FIELDS.shape.over.safeParse(raw.over).data;
  if (over === undefined || raw.aggregate === undefined || raw.aggregate === 'mean') return;
  if (over > LONGEST_OF_VALUES)
    report(
      path,
      `"over" is ${ruleDuration(over)}: ${String(raw.aggregate)} of ${signal.id} is read value by value, over ${ruleDuration(LONGEST_OF_VALUES)} at the most.`,
    );
}

function alsoOf(and: unknown, by: readonly Label[], report: Report): Also[] {
  if (!Array.isArray(and)) return [];
  return and.flatMap((raw: unknown, i) => {
    if (typeof raw !== 'object' || raw === null) return [];
    const clause = raw as Raw;
    const signal = signalOf(clause.signal, ['and', i, 'signal'], report);
    if (!signal) return [];
    const strangers = by.filter((label) => !isLabel(label, signal));
    if (strangers.length > 0)
      report(
        ['and', i, 'signal'],
        `${signal.id} has no label "${strangers[0]}", by which the rule keeps its alerts apart: name labels in "by" that both have, such as [${signal.labels.filter((label) => by.includes(label)).join(', ')}].`,
      );
    checkThreshold(clause.condition, signal, ['and', i, 'condition'], report);
    const condition = toCondition(clause.condition as ConditionFields);
    return [{ ...queryOf(clause, signal, by, ['and', i], report), condition }];
  });
}

/** One condition with its severity, or several; never both. The least severe first. */
function checkLevels(raw: Raw, signal: Signal | undefined, report: Report): void {
  if (raw.levels === undefined) {
    if (raw.condition === undefined)
      report([], '"condition" is missing: one of above, below or outside, such as { above: 0.9 } is expected.');
    if (raw.severity === undefined) report([], `"severity" is missing: one of ${SEVERITIES.join(', ')} is expected.`);
  } else
    for (const field of ['condition', 'severity'])
      if (raw[field] !== undefined) report([field], `"${field}" and "levels" say the same twice: leave one out.`);
  checkThreshold(raw.condition, signal, ['condition'], report);
  if (typeof raw.levels === 'object' && raw.levels !== null)
    for (const [severity, condition] of Object.entries(raw.levels))
      checkThreshold(condition, signal, ['levels', severity], report);
}

function levelsIn({ condition, severity, levels }: Fields): Level[] {
  if (levels === undefined) {
    // A problem was reported where one of them is missing.
    return [{ severity: severity ?? 'info', condition: toCondition(condition ?? { above: 0 }) }];
  }
  return SEVERITIES.flatMap((name) =>
    levels[name] === undefined ? [] : [{ severity: name, condition: toCondition(levels[name]) }],
  );
}

function toCondition({ above, below, outside }: Partial<ConditionFields> = {}): Condition {
  if (Array.isArray(outside)) return { kind: 'outside', low: outside[0]!, high: outside[1]! };
  return above === undefined ? { kind: 'below', threshold: below! } : { kind: 'above', threshold: above };
}

function checkThreshold(condition: unknown, signal: Signal | undefined, path: Path, report: Report): void {
  if (signal?.unit !== '1' || typeof condition !== 'object' || condition === null) return;
  for (const [kind, given] of Object.entries(condition))
    for (const value of Array.isArray(given) ? given : [given])
      if (typeof value === 'number' && (value < 0 || value > 1))
        report(
          [...path, kind],
          `"${[...path, kind].join('.')}" is ${value}, but ${signal.id} goes from 0 to 1: write 0.9 for 90 %.`,
        );
}

function labels(by: unknown, signal: Signal, report: Report): readonly Label[] {
  if (!Array.isArray(by)) return signal.labels;
  by.forEach((label, i) => {
    if (typeof label !== 'string') return;
    if (!isLabel(label, signal)) report(['by', i], unknownLabel(label, signal));
    else if (by.indexOf(label) < i) report(['by', i], `"by" names ${label} twice.`);
  });
  return by.filter((label) => isLabel(label, signal));
}

function matchers(where: unknown, signal: Signal, report: Report, path: Path): Matchers {
  if (typeof where !== 'object' || where === null || Array.isArray(where)) return {};
  const result: Record<string, string> = {};
  for (const [label, value] of Object.entries(where))
    if (isLabel(label, signal)) result[label] = String(value);
    else report([...path, 'where', label], unknownLabel(label, signal));
  return result;
}

const isLabel = (label: unknown, signal: Signal): label is Label =>
  (signal.labels as readonly unknown[]).includes(label);

const unknownLabel = (label: string, signal: Signal): string =>
  `${signal.id} has no label "${label}"; it has ${signal.labels.join(', ')}.`;

function template(summary: unknown, known: readonly string[], report: Report): Template | undefined {
  if (typeof summary !== 'string') return undefined;
  try {
    return parseTemplate(summary.trim(), known);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    report(['summary'], `"summary" ${error.message}.`);
    return undefined;
  }
}
