import { selects, type Selector, type Subject } from './match.js';

/** Alerts that nobody is to be told of for a while, and why. */
export interface Silence extends Selector {
  id: string;
  startsAt: Date;
  endsAt: Date;
  reason: string;
  createdBy: string | null;
}

export type SilenceState = 'pending' | 'active' | 'expired';

export function silenceState({ startsAt, endsAt }: Pick<Silence, 'startsAt' | 'endsAt'>, now: Date): SilenceState {
  if (now >= endsAt) return 'expired';
  return now >= startsAt ? 'active' : 'pending';
}

/** The silence that holds an alert back the longest. */
export function silenceOf(silences: readonly Silence[], subject: Subject, now: Date): Silence | undefined {
  return silences
    .filter((silence) => silenceState(silence, now) === 'active' && selects(silence, subject))
    .toSorted((a, b) => b.endsAt.getTime() - a.endsAt.getTime())[0];
}
