import { sortEntries, type Entry } from '../batch.js';
import type { Message } from '../message.js';
import { subjectOf } from './match.js';
import { describeLocal, quietUntil } from './quiet.js';
import type { Policy } from './route.js';
import { silenceOf, type Silence } from './silence.js';

/** An alert in a group: how it stands, and what was told of it. */
export interface Item {
  rule: string;
  fingerprint: string;
  /** The latest. */
  message: Message;
  /** The status that was told last; null while none was. */
  told: Message['status'] | null;
  /** Transitions that were not told yet, oldest first. */
  pending: readonly string[];
}

/** The alerts that one receiver is told of together. It exists while one of them lasts. */
export interface Group {
  /** Labels that they have in common. */
  labels: Readonly<Record<string, string>>;
  episode: string;
  /** When something was told last. */
  toldAt: Date | null;
  /** When what is new shall be told; null where nothing is. */
  flushAt: Date | null;
  items: readonly Item[];
}

export interface Event {
  rule: string;
  fingerprint: string;
  transitionId: string;
  message: Message;
}

/** An alert that nobody is told of yet, with a sentence on why. */
export interface Held {
  item: Item;
  until: Date;
  reason: string;
}

export interface Outcome {
  /** What is left; undefined where the group has ended. */
  group: Group | undefined;
  /** When it has to be looked at again, if nothing happens before; null where it need not. */
  nextAt: Date | null;
  tell?: { kind: 'change' | 'repeat'; entries: Entry[]; transitions: string[] };
  held: Held[];
  /** What was over before anybody was told. */
  skipped: Item[];
}

const after = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);
const earliest = (times: readonly (Date | null)[]): Date | null =>
  times.filter((time) => time !== null).toSorted((a, b) => a.getTime() - b.getTime())[0] ?? null;

/** Something new about one alert. */
export function arrive(group: Group, event: Event, now: Date, policy: Policy): Group {
  const { rule, fingerprint, transitionId, message } = event;
  const before = group.items.find((item) => item.rule === rule && item.fingerprint === fingerprint);
  const item = {
    rule,
    fingerprint,
    message,
    told: before?.told ?? null,
    pending: [...(before?.pending ?? []), transitionId],
  };
  const flushAt = earliest([group.flushAt, after(now, policy.wait)]);
  return { ...group, flushAt, items: [...group.items.filter((other) => other !== before), item] };
}

/** Decides what is told of a group now. Pure. */
export function decideGroup(group: Group, now: Date, policy: Policy, silences: readonly Silence[]): Outcome {
  if (group.flushAt !== null && group.flushAt <= now) return flush(group, now, policy, silences);
  if (isRepeatDue(group, now, policy)) return repeat(group, now, policy, silences);
  return rest(group, policy, [], []);
}

function flush(group: Group, now: Date, policy: Policy, silences: readonly Silence[]): Outcome {
  const held: Held[] = [];
  const skipped: Item[] = [];
  const told: Item[] = [];
  const kept: Item[] = [];
  for (const item of group.items) {
    if (item.pending.length === 0) kept.push(item);
    // Nobody has to hear of the end of something that nobody heard of.
    else if (item.message.status === 'resolved' && item.told === null) skipped.push(item);
    else {
      const hold = holdOf(item, now, policy, silences);
      if (hold) held.push(hold);
      else told.push(item);
    }
  }
  const heard = told.map((item) => ({ ...item, told: item.message.status, pending: [] }));
  const items = [...kept, ...held.map(({ item }) => item), ...heard.filter(({ told }) => told !== 'resolved')];
  // Reminders are for all that fires: they keep their own time, however much happens in between.
  const toldAt = told.length === 0 || (policy.refresh && group.toldAt) ? group.toldAt : now;
  const left = { ...group, items, toldAt, flushAt: earliest(held.map(({ until }) => until)) };
  const outcome = rest(left, policy, held, skipped);
  if (told.length === 0) return outcome;
  const entries = sortEntries([
    ...told.map(({ message }) => ({ message, isNew: true })),
    ...kept.filter((item) => item.told !== null).map(({ message }) => ({ message, isNew: false })),
  ]);
  return { ...outcome, tell: { kind: 'change', entries, transitions: told.flatMap(({ pending }) => pending) } };
}

function repeat(group: Group, now: Date, policy: Policy, silences: readonly Silence[]): Outcome {
  const lasting = group.items.filter((item) => item.told !== null && item.pending.length === 0);
  const holds = lasting.map((item) => holdOf(item, now, policy, silences));
  const heard = lasting.filter((_, i) => !holds[i]);
  if (heard.length === 0) {
    const until = earliest(holds.map((hold) => hold?.until ?? null));
    return { group, nextAt: earliest([group.flushAt, until]), held: [], skipped: [] };
  }
  const outcome = rest({ ...group, toldAt: now }, policy, [], []);
  const entries = sortEntries(heard.map(({ message }) => ({ message, isNew: false })));
  return { ...outcome, tell: { kind: 'repeat', entries, transitions: [] } };
}

export const isRepeatDue = ({ toldAt, items }: Group, now: Date, { repeat }: Policy): boolean =>
  repeat !== null && toldAt !== null && items.length > 0 && now >= after(toldAt, repeat);

function rest(group: Group, { repeat }: Policy, held: Held[], skipped: Item[]): Outcome {
  if (group.items.length === 0) return { group: undefined, nextAt: null, held, skipped };
  const repeatAt = repeat === null || group.toldAt === null ? null : after(group.toldAt, repeat);
  return { group, nextAt: earliest([group.flushAt, repeatAt]), held, skipped };
}

/** Why an alert is not told now, and until when. */
function holdOf(item: Item, now: Date, policy: Policy, silences: readonly Silence[]): Held | undefined {
  // Where the other side forgets what it is not reminded of, silence would mean "resolved".
  if (policy.refresh && item.told !== null) return undefined;
  const silence = silenceOf(silences, subjectOf(item.message), now);
  if (silence) {
    const reason = `Silenced until ${silence.endsAt.toISOString()}: ${silence.reason}`;
    return { item, until: silence.endsAt, reason };
  }
  if (!policy.quiet || item.message.context.severity === 'critical') return undefined;
  const until = quietUntil(policy.quiet, now);
  if (!until) return undefined;
  const reason = `Quiet hours "${policy.quiet.name}" until ${describeLocal(until, policy.quiet.zone)}.`;
  return { item, until, reason };
}
