import type { Logger } from '@vigil/service';
import { admit, admits, answering, CLOSED, failed, resting, succeeded, undecided, type Circuit } from './breaker.js';
import type { Listed, Listing } from './catalogue.js';
import type { UpstreamFault } from './fault.js';
import { nextChance, order } from './order.js';
import { PROVIDERS, type Kind, type Upstream } from './upstreams.js';

/** An upstream and what is known of it. */
export class Member {
  circuit: Circuit = CLOSED;
  /** Requests that it is answering. */
  running = 0;
  /** What it said it has; undefined where it did not say. */
  models: Listed[] | undefined;
  /** Why it could not be reached when it was last asked. */
  unreachable: string | undefined;
  private told: Kind | undefined;

  constructor(readonly upstream: Upstream) {
    this.told = upstream.kind;
  }

  get name(): string {
    return this.upstream.name;
  }
  get tier(): number {
    return this.upstream.tier;
  }
  get weight(): number {
    return this.upstream.weight;
  }
  /** As `gen_ai.provider.name` has it. */
  get provider(): string {
    return PROVIDERS[this.told ?? 'other'];
  }

  learn(listing: Listing): void {
    this.unreachable = listing.reachable ? undefined : listing.why;
    if (!listing.reachable) return;
    this.models = listing.models ?? this.models;
    this.told ??= listing.kind;
  }

  /** It has this model under this name. */
  has(model: string): boolean {
    const { upstream, models } = this;
    if (upstream.model !== undefined) return upstream.model === model;
    // Ollama adds the tag that is meant where none is given.
    return models?.some(({ id }) => id === model || id === `${model}:latest`) ?? false;
  }
}

/** A request's stay with an upstream. */
export interface Entry {
  member: Member;
  /** Of its circuit when the request was admitted. */
  epoch: number;
}

/** All upstreams: which are asked for a model and in which order, and what became of it. */
export class Pool {
  readonly members: readonly Member[];

  constructor(
    upstreams: readonly Upstream[],
    /** The one name under which all of them serve; undefined: each under the names that it has. */
    private readonly alias: string | undefined,
    private readonly log: Logger,
    private readonly random: () => number = Math.random,
  ) {
    this.members = upstreams.map((upstream) => new Member(upstream));
  }

  /** The models that are served. */
  get models(): Listed[] {
    const names = new Map<string, number>();
    for (const { upstream, models } of this.members) {
      const created = (id: string | undefined) => models?.find((model) => model.id === id)?.created ?? 0;
      if (this.alias !== undefined)
        names.set(this.alias, Math.max(names.get(this.alias) ?? 0, created(upstream.model)));
      else if (upstream.model !== undefined) names.set(upstream.model, created(upstream.model));
      else for (const { id, created } of models ?? []) if (!names.has(id)) names.set(id, created);
    }
    return [...names].map(([id, created]) => ({ id, created }));
  }

  /**
   * Those that serve a model: all, where they do so under one name; those that have it; where nobody says so, those
   * that may have it all the same and will say so themselves.
   */
  serving(model: string): Member[] {
    if (this.alias !== undefined) return model === this.alias ? [...this.members] : [];
    const having = this.members.filter((member) => member.has(model));
    return having.length > 0 ? having : this.members.filter(({ upstream }) => upstream.model === undefined);
  }

  /** In the order in which they are tried, those left out that must not be asked now. `now` in seconds. */
  order(members: readonly Member[], now: number): Member[] {
    return order(members, now, this.random);
  }

  /** Seconds until one of them may be asked again. */
  nextChance(members: readonly Member[], now: number): number {
    return nextChance(members, now);
  }

  /** @returns what belongs to the request's outcome; undefined where it must not be asked after all */
  enter(member: Member, now: number): Entry | undefined {
    const { circuit, admitted } = admit(member.circuit, now);
    if (!admitted) return undefined;
    member.circuit = circuit;
    member.running++;
    return { member, epoch: circuit.epoch };
  }

  /** It began to answer. */
  answering({ member, epoch }: Entry): void {
    member.unreachable = undefined;
    this.turn(member, answering(member.circuit, epoch));
  }

  /** What `enter` began has ended: well, in a fault, or (undefined) undecided. */
  leave({ member, epoch }: Entry, outcome: 'ok' | UpstreamFault | undefined, now: number): void {
    member.running--;
    if (outcome === 'ok') return this.turn(member, succeeded(member.circuit, epoch));
    if (outcome === undefined) return this.turn(member, undecided(member.circuit, epoch));
    const { retryAfter } = outcome.details;
    if (outcome.counts) this.turn(member, failed(member.circuit, epoch, now), outcome);
    else this.turn(member, undecided(member.circuit, epoch));
    if (retryAfter !== undefined) member.circuit = resting(member.circuit, retryAfter, now);
  }

  /** A sentence where nobody can be asked. */
  illness(now: number): string | undefined {
    const reasons = this.members.map((member) => this.illnessOf(member, now));
    return reasons.every((reason) => reason !== undefined)
      ? `no upstream can be asked: ${reasons.join('; ')}`
      : undefined;
  }

  private illnessOf({ name, circuit, unreachable }: Member, now: number): string | undefined {
    if (unreachable !== undefined) return `"${name}" can not be reached`;
    // Only a request tries it again, and nobody sends any to what says that it is ill.
    return admits(circuit, now) ? undefined : `"${name}" failed ${circuit.failures} times in a row`;
  }

  private turn(member: Member, circuit: Circuit, why?: Error): void {
    const before = member.circuit.state;
    member.circuit = circuit;
    if (before === circuit.state) return;
    if (circuit.state === 'open' && before === 'closed')
      this.log.warn(
        { upstream: member.name, reason: why?.message },
        'an upstream failed too often; it is left alone for a while',
      );
    else if (circuit.state === 'closed') this.log.info({ upstream: member.name }, 'an upstream answers again');
  }
}
