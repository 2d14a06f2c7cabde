import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@vigil/service';
import { ApiError } from '../errors.js';
import { Answer, SaidError } from './answer.js';
import { list } from './catalogue.js';
import { BodyTooLargeError, Connections, readText, type Timeouts } from './exchange.js';
import { faultOf, UpstreamFault } from './fault.js';
import { Pool, type Entry, type Member } from './pool.js';
import { Relay } from './relay.js';
import { retryPause } from './retry.js';
import type { Upstream } from './upstreams.js';

export interface UpstreamOptions {
  upstreams: readonly Upstream[];
  /** The one name under which all of them serve. */
  alias: string | undefined;
  timeouts: Timeouts;
  /** Further tries of a request, as long as nothing was answered. */
  retries: number;
  /** Bytes of an answer that does not stream. */
  answerMax: number;
  log: Logger;
  random?: () => number;
  /** A try ended: `ok`, the kind of a fault, or `cancelled`. */
  onAttempt?: (upstream: string, outcome: string) => void;
}

/** A request for an answer, as it is passed on. */
export interface Forward {
  path: '/chat/completions' | '/completions';
  body: Readonly<Record<string, unknown>>;
  model: string;
  stream: boolean;
  /** Passed on beside our own. */
  headers: Readonly<Record<string, string>>;
  /** Keep what was said, for the span. */
  keepText: boolean;
  signal: AbortSignal;
  /** It is sent to this upstream now; called again at every try. */
  onTry: (member: Member) => void;
  onToken: (now: number) => void;
}

/** An answer that has begun. */
export interface Opened {
  member: Member;
  answer: Answer;
  /** Of a stream. */
  relay: Relay | undefined;
  /** Of an answer that does not stream: as the upstream wrote it. */
  text: string;
  /** To be called once, when it has ended. */
  ended: (outcome: 'ok' | UpstreamFault | undefined) => void;
}

/** How often upstreams are asked for their models, in milliseconds; ill ones more often. */
const LIST_EVERY_MS = 60_000;
const LIST_ILL_EVERY_MS = 5_000;
const FIRST_LIST_MS = 2_000;
const CLIENT_STALL_MS = 60_000;

const seconds = (): number => performance.now() / 1000;

/** Other servers answer here: chosen by tier and weight, tried again while nothing is answered, left alone when ill. */
export class UpstreamEngine {
  readonly pool: Pool;
  private readonly connections: Connections;
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;
  /** Those of which it was said that they do not tell their models. */
  private readonly refused = new Set<Member>();

  constructor(private readonly options: UpstreamOptions) {
    this.pool = new Pool(options.upstreams, options.alias, options.log, options.random);
    this.connections = new Connections(options.timeouts.connect);
  }

  /** Asks every upstream what it has. One that does not answer is no reason not to start. */
  async start(): Promise<void> {
    const first = this.listAll(this.pool.members);
    this.loop = first.then(() => this.keepListing());
    await Promise.race([first, sleep(FIRST_LIST_MS, undefined, { ref: false })]);
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.stopping.abort(new ApiError(503, 'server_stopping', 'The server is stopping.', { retryAfter: 5 }));
    this.connections.close();
    await this.loop;
  }

  illness(): string | undefined {
    return this.pool.illness(seconds());
  }

  /**
   * Has a request answered by the first upstream that begins to.
   * @throws ApiError
   */
  async open(forward: Forward): Promise<Opened> {
    const signal = AbortSignal.any([forward.signal, this.stopping.signal]);
    const members = this.pool.serving(forward.model);
    if (members.length === 0) throw noModel(forward.model);
    const tried = new Set<Member>();
    /** Whose circuit knows of this request's failure already: a request that fails everywhere is one failure. */
    const counted = new Set<Member>();
    let last: UpstreamFault | undefined;
    for (let tries = 0; ; tries++) {
      const member = this.next(members, tried, last);
      if (!member) throw last?.toApiError() ?? this.unavailable(members);
      if (tried.has(member)) {
        const pause = retryPause(tries, member.circuit.restsUntil - seconds(), this.options.random);
        if (pause === undefined) throw last!.toApiError();
        await sleep(pause * 1000, undefined, { signal }).catch(() => undefined);
        signal.throwIfAborted();
      }
      const entry = this.pool.enter(member, seconds());
      if (!entry) continue;
      tried.add(member);
      try {
        forward.onTry(member);
        return await this.attempt(entry, forward, signal);
      } catch (error) {
        const fault = error instanceof UpstreamFault ? error : undefined;
        this.leave(entry, fault, fault?.counts === true && counted.has(member));
        if (!fault) throw error;
        if (fault.counts) counted.add(member);
        last = fault;
        const another = fault.retryable || (fault.elsewhere && members.some((other) => !tried.has(other)));
        if (!another || tries >= this.options.retries) throw fault.toApiError();
      }
    }
  }

  /** Whoever was not tried yet; else whoever may do better the next time. */
  private next(
    members: readonly Member[],
    tried: ReadonlySet<Member>,
    last: UpstreamFault | undefined,
  ): Member | undefined {
    const ordered = this.pool.order(members, seconds());
    return ordered.find((member) => !tried.has(member)) ?? (last?.passing === false ? undefined : ordered[0]);
  }

  private async attempt(entry: Entry, forward: Forward, signal: AbortSignal): Promise<Opened> {
    const { member } = entry;
    const { upstream } = member;
    const { timeouts } = this.options;
    const { body, hideUsage } = bodyFor(upstream, forward, this.options.alias);
    const ask = {
      path: forward.path,
      body,
      headers: forward.headers,
      patience: forward.stream ? timeouts.stall : timeouts.answer,
      signal,
    };
    const send = (fresh: boolean) => this.connections.send(upstream, ask, fresh);
    const response = await send(false).catch((error: unknown) => {
      // The upstream had closed a kept connection just then; it never saw the request.
      if (error instanceof UpstreamFault && error.details.stale === true) return send(true);
      throw error;
    });
    const answer = new Answer(forward.keepText);
    const ended = (outcome: 'ok' | UpstreamFault | undefined) => this.leave(entry, outcome);
    const onAnswer = () => this.pool.answering(entry);
    try {
      if (!forward.stream) {
        // Its headers come once it has something to say; the rest may take its time.
        onAnswer();
        const text = await readText(response, this.options.answerMax, timeouts.answer, signal);
        answer.whole(text);
        return { member, answer, relay: undefined, text, ended };
      }
      if (!/^text\/event-stream\b/i.test(response.headers['content-type'] ?? '')) {
        response.destroy();
        throw new UpstreamFault('invalid', `The upstream "${upstream.name}" answered what is no stream.`);
      }
      const { onToken } = forward;
      const options = {
        stallMs: timeouts.stall,
        silenceMs: timeouts.answer,
        clientStallMs: CLIENT_STALL_MS,
        hideUsage,
        onAnswer,
        onToken,
        signal,
      };
      const relay = new Relay(response, answer, options);
      await relay.first();
      return { member, answer, relay, text: '', ended };
    } catch (error) {
      throw this.toFault(member, error, !forward.stream);
    }
  }

  /** What went wrong with an answer, as a fault whose words can be shown; anything else as it is. */
  toFault(member: Member, error: unknown, late: boolean): unknown {
    const { upstream } = member;
    if (error instanceof SaidError) {
      const secrets = upstream.key === undefined ? [] : [upstream.key];
      return faultOf(
        upstream.name,
        { status: error.status, body: error.body, retryAfter: undefined },
        secrets,
        Date.now(),
      );
    }
    if (error instanceof BodyTooLargeError)
      return new UpstreamFault('invalid', `The answer of "${upstream.name}" is larger than this server takes.`, {
        late,
      });
    if (error instanceof UpstreamFault && late && !error.details.late)
      return new UpstreamFault(error.kind, error.message, { ...error.details, late });
    return error;
  }

  private leave(entry: Entry, outcome: 'ok' | UpstreamFault | undefined, known = false): void {
    const { member } = entry;
    this.pool.leave(entry, known ? undefined : outcome, seconds());
    this.options.onAttempt?.(member.name, outcome === undefined ? 'cancelled' : outcome === 'ok' ? 'ok' : outcome.kind);
  }

  private unavailable(members: readonly Member[]): ApiError {
    return new ApiError(503, 'upstream_unavailable', 'No upstream can be asked now: they failed too often.', {
      retryAfter: this.pool.nextChance(members, seconds()),
    });
  }

  private async keepListing(): Promise<void> {
    const { signal } = this.stopping;
    let listed = seconds();
    while (!signal.aborted) {
      await sleep(LIST_ILL_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const due = seconds() - listed >= LIST_EVERY_MS / 1000;
      if (due) listed = seconds();
      await this.listAll(this.pool.members.filter((member) => due || member.unreachable !== undefined));
    }
  }

  private async listAll(members: readonly Member[]): Promise<void> {
    await Promise.all(
      members.map(async (member) => {
        const listing = await list(this.connections, member.upstream, this.stopping.signal);
        if (this.stopping.signal.aborted) return;
        const { log } = this.options;
        const upstream = member.name;
        if (!listing.reachable && member.unreachable === undefined)
          log.warn({ upstream, reason: listing.why }, 'an upstream can not be reached');
        if (listing.reachable && listing.refusal !== undefined && !this.refused.has(member)) {
          this.refused.add(member);
          log.warn({ upstream, reason: listing.refusal }, 'an upstream does not tell its models');
        }
        member.learn(listing);
      }),
    );
  }
}

/** The body for one upstream: its own name of the model, and usage asked for where the client did not. */
export function bodyFor(
  upstream: Pick<Upstream, 'model' | 'usage'>,
  { body, stream }: Pick<Forward, 'body' | 'stream'>,
  alias: string | undefined,
): { body: string; hideUsage: boolean } {
  const options = (body.stream_options ?? {}) as Record<string, unknown>;
  const hideUsage = stream && upstream.usage && options.include_usage !== true;
  const model = upstream.model ?? alias;
  return {
    body: JSON.stringify({
      ...body,
      ...(model !== undefined && { model }),
      ...(hideUsage && { stream_options: { ...options, include_usage: true } }),
    }),
    hideUsage,
  };
}

export const noModel = (name: string): ApiError =>
  new ApiError(
    404,
    'model_not_found',
    `There is no model ${JSON.stringify(name.slice(0, 200))} here. See /v1/models.`,
    {
      param: 'model',
    },
  );
