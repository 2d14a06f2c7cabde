import type { Message } from '../message.js';
import { selects, subjectOf, type Selector } from './match.js';
import type { QuietHours } from './quiet.js';

/** How a receiver is told. */
export interface Policy {
  /** Labels whose alerts are told together; null tells every alert by itself. */
  group: readonly string[] | null;
  /** How long a group is waited for after something new, in seconds. */
  wait: number;
  /** How often what still fires is told again, in seconds; null never does. */
  repeat: number | null;
  quiet: QuietHours | null;
  /** Set where the receiver must be reminded: it is told all, always. */
  refresh: boolean;
}

export interface Route extends Selector {
  to: readonly string[];
  /** Whether the routes after it are looked at, too. */
  continue: boolean;
  policy: Policy;
}

/** The policy of a receiver that is to be told the end of what no route leads to it any more. */
export const PLAIN: Policy = { group: null, wait: 0, repeat: null, quiet: null, refresh: false };

/** For Alertmanager: one group, told as it is, and again before it forgets. */
export const refreshing = (seconds: number): Policy => ({ ...PLAIN, group: [], repeat: seconds, refresh: true });

/**
 * Who is told of an alert: the first route that takes it, and those after it while they say so. A receiver that several
 * routes lead to is told once, as the first of them says.
 */
export function routeOf(routes: readonly Route[], message: Message): Map<string, Policy> {
  const subject = subjectOf(message);
  const found = new Map<string, Policy>();
  for (const route of routes) {
    if (!selects(route, subject)) continue;
    for (const name of route.to) if (!found.has(name)) found.set(name, route.policy);
    if (!route.continue) break;
  }
  return found;
}

/** What tells the group of an alert from others of the same receiver, and the labels they have in common. */
export function groupOf(
  policy: Policy,
  message: Message,
  fingerprint: string,
): { key: string; labels: Record<string, string> } {
  const subject: Record<string, string> = subjectOf(message);
  if (policy.group === null) {
    const labels = { rule: message.rule, ...message.labels };
    return { key: JSON.stringify([message.rule, fingerprint]), labels };
  }
  const labels = Object.fromEntries(policy.group.map((label) => [label, subject[label] ?? '']));
  return { key: JSON.stringify(labels), labels };
}
