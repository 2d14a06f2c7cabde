import { randomUUID } from 'node:crypto';
import { summaryOf, type Rule } from '@vigil/rules';
import { errorMessage, type Logger } from '@vigil/service';
import type { IncidentKeeper } from '../incident/keeper.js';
import { readLines } from '../incident/store.js';
import { transaction } from '@vigil/store';
import type { DataSource } from 'typeorm';
import type { Sql } from '../database.js';
import {
  isAnythingDue,
  readDueGroups,
  readEvents,
  readGroups,
  readMemberships,
  readStanding,
  tryDispatchLock,
  writeGroups,
  type ChangedGroup,
  type GroupKey,
} from './dispatch-store.js';
import type { Message } from './message.js';
import { addMessages, dropEvents, replaceRepeats, type NewNotification } from './outbox.js';
import type { Receiver } from './receivers/types.js';
import { arrive, decideGroup, type Event, type Group, type Item, type Outcome } from './routing/group.js';
import { groupOf, PLAIN, refreshing, routeOf, type Policy, type Route } from './routing/route.js';
import { readSilences } from './silence-store.js';
import type { TrendReader } from './trend.js';

/** Events in one transaction. */
const AT_ONCE = 500;
/** How long messages wait at the most for what is found out about why an alert fired. */
const INCIDENT_WAIT_MS = 500;
/** Alerts of one transaction whose course is looked up: in a storm, speed is worth more. */
const TRENDS = 20;

export interface DispatcherOptions {
  store: DataSource;
  scope: string;
  receivers: readonly Receiver[];
  routes: readonly Route[];
  rules: () => readonly Rule[];
  trend: TrendReader;
  incidents: Pick<IncidentKeeper, 'prepare'>;
  log: Logger;
}

interface Work extends GroupKey {
  group: Group;
  nextAt: Date | null;
}

/** Turns what the evaluator put down into messages for receivers: routes, groups, waits, repeats and holds back. */
export class Dispatcher {
  private readonly names: string[];

  constructor(private readonly options: DispatcherOptions) {
    this.names = options.receivers.map(({ name }) => name);
  }

  /**
   * One look at what is to be told, in one transaction: afterwards each event is in its groups and, where it is due, in
   * the outbox, or nothing has happened.
   * @returns whether there may be more at once
   * @throws the driver's error where PostgreSQL is away
   */
  async pass(now?: Date): Promise<boolean> {
    const { store, scope } = this.options;
    if (this.names.length === 0 || !(await isAnythingDue(store, scope, this.names))) return false;
    await this.options.incidents.prepare(INCIDENT_WAIT_MS);
    return transaction(store, async (sql) => {
      if (!(await tryDispatchLock(sql, scope))) return false;
      const events = await this.explained(sql, await readEvents(sql, scope, AT_ONCE));
      // Not before what happened: a silence that began before an alert fired is active for it, however long this took.
      await this.dispatch(sql, events, now ?? new Date());
      await dropEvents(
        sql,
        events.map(({ notificationId }) => notificationId),
      );
      return events.length === AT_ONCE;
    });
  }

  /** With the sentences of their incidents, where these are known already. */
  private async explained<E extends Event>(sql: Sql, events: readonly E[]): Promise<E[]> {
    const ids = events.map(({ transitionId }) => transitionId);
    const lines = await readLines(sql, this.options.scope, ids);
    return events.map((event) => {
      const why = lines.get(event.transitionId);
      return why && why.length > 0 ? { ...event, message: { ...event.message, why } } : event;
    });
  }

  private async dispatch(sql: Sql, events: readonly Event[], now: Date): Promise<void> {
    const { scope } = this.options;
    const silences = await readSilences(sql, scope, now);
    const memberships = await readMemberships(sql, scope, events);
    const places = events.map((event) => this.placesOf(event, memberships));
    const due = await readDueGroups(sql, scope, this.names);
    const groups = new Map<string, Work>();
    for (const { channel, key, group } of await readGroups(sql, scope, [...due, ...places.flat()]))
      groups.set(idOf({ channel, key }), { channel, key, group, nextAt: null });
    await this.refresh(sql, due, groups, now);

    const outcomes: { work: GroupKey; group: Group; outcome: Outcome }[] = [];
    const ended = new Map<string, GroupKey>();
    const decide = (work: Work): void => {
      const policy = this.policyOf(work.channel, work.group.items[0]?.message);
      const outcome = decideGroup(work.group, now, policy, silences);
      outcomes.push({ work, group: work.group, outcome });
      if (outcome.group) groups.set(idOf(work), { ...work, group: outcome.group, nextAt: outcome.nextAt });
      else {
        groups.delete(idOf(work));
        ended.set(idOf(work), work);
      }
    };
    events.forEach((event, i) => {
      for (const { channel, key, labels } of places[i]!) {
        const policy = this.policyOf(channel, event.message);
        const id = idOf({ channel, key });
        const group = groups.get(id)?.group ?? newGroup(labels);
        const work = { channel, key, nextAt: null, group: arrive(group, event, now, policy) };
        groups.set(id, work);
        ended.delete(id);
        // What need not wait is told one by one, so that nothing of what happened is passed over.
        if (policy.wait === 0) decide(work);
      }
    });
    for (const work of groups.values()) if (work.nextAt === null) decide(work);
    const changed: ChangedGroup[] = [
      ...groups.values(),
      ...[...ended.values()].map((key) => ({ channel: key.channel, key: key.key, group: undefined, nextAt: null })),
    ];
    await addMessages(sql, scope, await this.messagesOf(sql, outcomes, now));
    await writeGroups(sql, scope, changed);
  }

  /** The groups that an event belongs to: those it is routed to, and those that were told of its alert before. */
  private placesOf(
    event: Event,
    memberships: ReadonlyMap<string, readonly GroupKey[]>,
  ): (GroupKey & { labels: Record<string, string> })[] {
    const before = memberships.get(JSON.stringify([event.rule, event.fingerprint])) ?? [];
    const places = before
      .filter(({ channel }) => this.names.includes(channel))
      .map((place) => ({ ...place, labels: {} as Record<string, string> }));
    for (const channel of routeOf(this.options.routes, event.message).keys()) {
      if (places.some((place) => place.channel === channel)) continue;
      places.push({ channel, ...groupOf(this.policyOf(channel, event.message), event.message, event.fingerprint) });
    }
    return places;
  }

  private policyOf(channel: string, message: Message | undefined): Policy {
    const receiver = this.options.receivers.find(({ name }) => name === channel);
    if (receiver?.refreshSeconds !== undefined) return refreshing(receiver.refreshSeconds);
    return (message && routeOf(this.options.routes, message).get(channel)) ?? PLAIN;
  }

  /** What is told late or again is told as it stands now. */
  private async refresh(sql: Sql, due: readonly GroupKey[], groups: Map<string, Work>, now: Date): Promise<void> {
    const works = due.map((key) => groups.get(idOf(key))).filter((work) => work !== undefined);
    const items = works.flatMap(({ group }) => group.items);
    const standing = await readStanding(sql, this.options.scope, items);
    const update = (item: Item): Item => {
      const current = standing.get(JSON.stringify([item.rule, item.fingerprint]));
      if (!current || item.message.status === 'resolved') return item;
      const { state: status, value } = current;
      return { ...item, message: this.restate({ ...item.message, status, value, at: now }) };
    };
    for (const work of works)
      groups.set(idOf(work), { ...work, group: { ...work.group, items: work.group.items.map(update) } });
  }

  private restate(message: Message): Message {
    const rule = this.options.rules().find(({ name }) => name === message.rule);
    if (!rule) return message;
    const summary = summaryOf(rule, { labels: message.labels, state: message.status, value: message.value });
    return { ...message, context: { ...message.context, summary } };
  }

  private async messagesOf(
    sql: Sql,
    outcomes: readonly { work: GroupKey; group: Group; outcome: Outcome }[],
    now: Date,
  ): Promise<NewNotification[]> {
    const messages: NewNotification[] = [];
    let trends = TRENDS;
    for (const { work, group, outcome } of outcomes) {
      const { channel, key: groupKey } = work;
      const base = { channel, groupKey, episode: group.episode, kind: 'change' as const, payload: {} };
      for (const { item, reason } of outcome.held)
        messages.push({ ...base, status: 'held', key: randomUUID(), transitions: item.pending, reason });
      for (const { pending } of outcome.skipped) {
        const reason = 'It was over before anybody was to be told.';
        messages.push({ ...base, status: 'skipped', key: randomUUID(), transitions: pending, reason });
      }
      const { tell } = outcome;
      if (!tell) continue;
      const receiver = this.options.receivers.find(({ name }) => name === channel)!;
      if (receiver.refreshSeconds !== undefined && tell.kind === 'repeat') {
        // While the receiver is away, reminders must not pile up.
        if (await replaceRepeats(sql, this.options.scope, channel, groupKey)) continue;
      }
      const entries = [...tell.entries];
      for (const [i, entry] of entries.entries()) {
        if (trends === 0 || receiver.kind === 'alertmanager') break;
        if (!entry.isNew && tell.kind === 'change') continue;
        trends--;
        const trend = await this.options.trend(entry.message, now);
        if (trend) entries[i] = { ...entry, message: { ...entry.message, trend } };
      }
      messages.push({ ...base, ...tell, reason: null, ...this.renderFor(receiver, group, { ...tell, entries }) });
    }
    return messages;
  }

  /** A fault in one receiver's form must not keep the others from being told. */
  private renderFor(
    receiver: Receiver,
    { episode, labels }: Group,
    tell: NonNullable<Outcome['tell']>,
  ): Pick<NewNotification, 'key' | 'payload' | 'status'> & { reason?: string } {
    const key = randomUUID();
    const { kind, entries } = tell;
    try {
      const batch = { kind, episode, group: labels, receiver: receiver.name, entries };
      return { key, payload: receiver.render(batch, key), status: 'waiting' };
    } catch (error) {
      this.options.log.error(
        { channel: receiver.name, reason: errorMessage(error) },
        'a message could not be put into the form of its receiver',
      );
      return { key, payload: {}, status: 'dead', reason: 'It could not be put into the form of its receiver.' };
    }
  }
}

const idOf = ({ channel, key }: GroupKey): string => JSON.stringify([channel, key]);

const newGroup = (labels: Readonly<Record<string, string>>): Group => ({
  labels,
  episode: randomUUID(),
  toldAt: null,
  flushAt: null,
  items: [],
});
