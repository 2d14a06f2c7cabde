import { type Label } from '@vigil/signals';
import { isSummed, readTogether, type SignalValue } from '@vigil/store';
import type { Rule } from '@vigil/rules';
import type { DataSource } from 'typeorm';
import { readSignal, windowEnd } from './read.js';

/** A rule's readings, or why there are none. */
export type Answer = { values: SignalValue[] } | { error: unknown };

/** Queries at a time: one connection is the evaluator's own. */
const AT_ONCE = 3;

/**
 * The readings of all rules. Rules on signals of one fact over one time, by the same labels, are read in one query: what
 * a rule narrows down by (`where`) is among the labels then, and its readings are picked from the answer. So a thousand
 * rules cost no more queries than they have windows. A query that fails is asked again for each of its rules alone, so that
 * one that can't be read stops none of the others.
 */
export async function readRules(store: DataSource, rules: readonly Rule[], now: Date): Promise<Map<Rule, Answer>> {
  const answers = new Map<Rule, Answer>();
  const groups = [...Map.groupBy(rules, groupOf).values()];
  const work = async (): Promise<void> => {
    for (let group = groups.pop(); group; group = groups.pop())
      for (const [rule, answer] of await readGroup(store, group, now)) answers.set(rule, answer);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return answers;
}

const labelsOf = ({ by, where }: Rule): Label[] => [...new Set([...by, ...(Object.keys(where) as Label[])])].toSorted();

/** What can be read together has the same key; anything else has one of its own. */
function groupOf(rule: Rule): string {
  const { signal, over } = rule;
  const what = isSummed(signal) ? signal.compute.fact : signal.id;
  return JSON.stringify([what, isSummed(signal), over, labelsOf(rule)]);
}

async function readGroup(store: DataSource, group: readonly Rule[], now: Date): Promise<[Rule, Answer][]> {
  const [first] = group;
  if (group.length === 1) return [[first!, await readAlone(store, first!, now)]];
  try {
    const values = await readTogetherFor(store, group, now);
    return group.map((rule) => [rule, { values: pick(rule, values.get(rule.signal.id) ?? []) }]);
  } catch {
    const answers: [Rule, Answer][] = [];
    for (const rule of group) answers.push([rule, await readAlone(store, rule, now)]);
    return answers;
  }
}

async function readAlone(store: DataSource, rule: Rule, now: Date): Promise<Answer> {
  try {
    return { values: await readSignal(store, rule, now) };
  } catch (error) {
    return { error };
  }
}

async function readTogetherFor(
  store: DataSource,
  group: readonly Rule[],
  now: Date,
): Promise<Map<string, SignalValue[]>> {
  const [first] = group;
  const by = labelsOf(first!);
  if (!isSummed(first!.signal)) {
    const values = await readSignal(store, { ...first!, by, where: {} }, now);
    return new Map([[first!.signal.id, values]]);
  }
  const signals = [...new Map(group.map(({ signal }) => [signal.id, signal])).values()];
  const to = first!.over === null ? now : windowEnd(now);
  const from = first!.over === null ? null : new Date(to.getTime() - first!.over * 1000);
  return readTogether(store, signals, { from, to, by });
}

/** Those of the readings that a rule's `where` lets pass, by its own labels. */
function pick({ by, where }: Rule, values: readonly SignalValue[]): SignalValue[] {
  const wanted = Object.entries(where);
  if (wanted.length === 0) return [...values];
  return values
    .filter(({ labels }) => wanted.every(([label, value]) => labels[label] === value))
    .map((value) => ({ ...value, labels: Object.fromEntries(by.map((label) => [label, value.labels[label]!])) }));
}
