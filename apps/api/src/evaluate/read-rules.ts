import type { Label } from '@vigil/signals';
import { isSummed, readTogether, type SignalValue } from '@vigil/store';
import { combine, type Query, type Reading, type Rule } from '@vigil/rules';
import type { DataSource } from 'typeorm';
import { readSignal, windowEnd } from './read.js';

/** What was read, or why nothing was. */
type Values = { values: SignalValue[] } | { error: unknown };

/** A rule's readings, or why there are none. */
export type Answer = { values: Reading[] } | { error: unknown };

/** One of the things that a rule reads, and as of when. */
type Part = Query & { at: Date };

/** Queries at a time: one connection is the evaluator's own. */
const AT_ONCE = 3;

/**
 * The readings of all rules. What is of one fact over one time, by the same labels, is read in one query: what a rule narrows
 * down by (`where`) is among the labels then, and its readings are picked from the answer. So a thousand rules cost no more
 * queries than they have windows. A query that fails is asked again for each of its rules alone, so that one that can't be
 * read stops none of the others.
 */
export async function readRules(store: DataSource, rules: readonly Rule[], now: Date): Promise<Map<Rule, Answer>> {
  const parts = new Map(rules.map((rule) => [rule, partsOf(rule, now)]));
  const answers = new Map<Part, Values>();
  const groups = [...Map.groupBy([...parts.values()].flat(), groupOf).values()];
  const work = async (): Promise<void> => {
    for (let group = groups.pop(); group; group = groups.pop())
      for (const [part, answer] of await readGroup(store, group)) answers.set(part, answer);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const answered = (part: Part) => answers.get(part)!;
  return new Map([...parts].map(([rule, own]) => [rule, toAnswer(rule, own.map(answered))]));
}

/** The signal itself, what it was at the time that it is compared with, and the other signals. */
const partsOf = (rule: Rule, now: Date): Part[] => [
  { ...rule, at: now },
  ...(rule.comparedWith === null ? [] : [{ ...rule, at: new Date(now.getTime() - rule.comparedWith * 1000) }]),
  ...rule.also.map((also) => ({ ...also, at: now })),
];

function toAnswer(rule: Rule, parts: readonly Values[]): Answer {
  const failed = parts.find((part) => 'error' in part);
  if (failed) return failed;
  return {
    values: combine(
      rule,
      parts.map((part) => ('values' in part ? part.values : [])),
    ),
  };
}

const labelsOf = ({ by, where }: Query): Label[] =>
  [...new Set([...by, ...(Object.keys(where) as Label[])])].toSorted();

/** What can be read together has the same key; anything else has one of its own. */
function groupOf(part: Part): string {
  const { signal, over, aggregate, at } = part;
  const what = isTogether(part) ? signal.compute.fact : signal.id;
  return JSON.stringify([what, isTogether(part), aggregate, over, labelsOf(part), at.getTime()]);
}

/** Means are sums of the same rows; every other aggregate has a query of its own. */
const isTogether = ({ signal, aggregate }: Query): boolean => isSummed(signal) && aggregate === 'mean';

async function readGroup(store: DataSource, group: readonly Part[]): Promise<[Part, Values][]> {
  const [first] = group;
  if (group.length === 1) return [[first!, await readAlone(store, first!)]];
  try {
    const values = await readTogetherFor(store, group);
    return group.map((part) => [part, { values: pick(part, values.get(part.signal.id) ?? []) }]);
  } catch {
    const answers: [Part, Values][] = [];
    for (const part of group) answers.push([part, await readAlone(store, part)]);
    return answers;
  }
}

async function readAlone(store: DataSource, part: Part): Promise<Values> {
  try {
    return { values: await readSignal(store, part, part.at) };
  } catch (error) {
    return { error };
  }
}

async function readTogetherFor(store: DataSource, group: readonly Part[]): Promise<Map<string, SignalValue[]>> {
  const { at, over, signal, ...rest } = group[0]!;
  const by = labelsOf(group[0]!);
  if (!isTogether(group[0]!)) {
    const values = await readSignal(store, { ...rest, signal, over, by, where: {} }, at);
    return new Map([[signal.id, values]]);
  }
  const signals = [...new Map(group.map((part) => [part.signal.id, part.signal])).values()];
  const to = over === null ? at : windowEnd(at);
  const from = over === null ? null : new Date(to.getTime() - over * 1000);
  return readTogether(store, signals, { from, to, by });
}

/** Those of the readings that a rule's `where` lets pass, by its own labels. */
function pick({ by, where }: Query, values: readonly SignalValue[]): SignalValue[] {
  const wanted = Object.entries(where);
  if (wanted.length === 0) return [...values];
  return values
    .filter(({ labels }) => wanted.every(([label, value]) => labels[label] === value))
    .map((value) => ({ ...value, labels: Object.fromEntries(by.map((label) => [label, value.labels[label]!])) }));
}
