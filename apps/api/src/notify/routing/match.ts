import type { Message } from '../message.js';

/**
 * What an alert is chosen by: for each label one of some patterns. `*` stands for any characters; a label that an alert
 * does not have is empty. `rule` and `severity` count as labels.
 */
export type Matchers = Readonly<Record<string, readonly string[]>>;

export const PSEUDO_LABELS = ['rule', 'severity'] as const;

export interface Selector {
  match: Matchers;
  /** Alerts that `match` takes, and that are left out all the same: those that all of this is true of. */
  unless: Matchers;
}

/** The labels that an alert is chosen by. */
export const subjectOf = ({ rule, labels, context }: Pick<Message, 'rule' | 'labels' | 'context'>) => ({
  ...labels,
  rule,
  severity: context.severity,
});

export type Subject = Readonly<Record<string, string>>;

export function selects({ match, unless }: Selector, subject: Subject): boolean {
  return fits(match, subject) && !(Object.keys(unless).length > 0 && fits(unless, subject));
}

function fits(matchers: Matchers, subject: Subject): boolean {
  return Object.entries(matchers).every(([label, patterns]) => {
    const value = Object.hasOwn(subject, label) ? subject[label]! : '';
    return patterns.some((pattern) => matches(pattern, value));
  });
}

/** Whether a value is what a pattern with `*` says; in time proportional to both lengths, whatever they hold. */
export function matches(pattern: string, value: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === value;
  if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false;
  const end = value.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = value.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
