import { SEVERITIES, type Severity } from '@vigil/rules';
import type { Message } from './message.js';

/** What one delivery tells: one alert, or those of a group. */
export interface Batch {
  /** `change` tells something new, `repeat` that it still lasts. */
  kind: 'change' | 'repeat';
  /** The same from the first firing of a group to the end of all its alerts. */
  episode: string;
  /** The labels that the group's alerts have in common. */
  group: Readonly<Record<string, string>>;
  receiver: string;
  /** At least one; what is new goes first, the worst before the others. */
  entries: readonly Entry[];
}

export interface Entry {
  message: Message;
  /** Told here for the first time; the others are told again. */
  isNew: boolean;
}

export const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);

/** Orders entries: new ones first, firing before ended, the worst first. */
export function sortEntries(entries: readonly Entry[]): Entry[] {
  const weight = ({ message, isNew }: Entry) =>
    (isNew ? 100 : 0) + (message.status === 'resolved' ? 0 : 10) + rank(message.context.severity);
  return entries.toSorted((a, b) => weight(b) - weight(a));
}

export type Tone = Severity | 'resolved' | 'no_data';

/** The colour of a message: the worst of what fires. */
export function toneOf(messages: readonly Message[]): Tone {
  const firing = messages.filter(({ status }) => status === 'firing').map(({ context }) => context.severity);
  if (firing.length > 0) return firing.reduce((worst, next) => (rank(next) > rank(worst) ? next : worst));
  return messages.some(({ status }) => status === 'no_data') ? 'no_data' : 'resolved';
}
