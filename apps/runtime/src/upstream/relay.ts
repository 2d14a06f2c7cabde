import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from './answer.js';
import { UpstreamFault } from './fault.js';
import { FrameTooLargeError, SseParser, type Frame } from './sse.js';

export interface RelayOptions {
  /** Milliseconds without a byte after which the upstream is given up. */
  stallMs: number;
  /** The same without an event that says something: signs of life alone are no answer. */
  silenceMs: number;
  /** Milliseconds after which a client that takes nothing is as good as gone. */
  clientStallMs: number;
  /** Usage was asked for on our own account: the client is not shown it. */
  hideUsage: boolean;
  /** It said something for the first time. */
  onAnswer: () => void;
  /** A token came, at this time of the monotonic clock in milliseconds. */
  onToken: (now: number) => void;
  signal: AbortSignal;
}

const DONE = Buffer.from('data: [DONE]\n\n');
/** How long a connection may take to come to its end after the answer's, to be used again. */
const LINGER_MS = 1_000;
/** Signs of life are kept from the client for so long: until then another upstream may still answer instead. */
const HOLD_MS = 10_000;
const HELD_MAX = 64 * 1024;

/**
 * Passes one stream on, event by event as they come, and reads along. Holds no more than one unfinished event and what
 * a slow client has not taken; then the upstream waits as well.
 */
export class Relay {
  private readonly parser = new SseParser();
  /** What came before there was anywhere to write. */
  private held: Buffer[] = [];
  private out: ServerResponse | undefined;
  private settled = false;
  private stall: NodeJS.Timeout | undefined;
  private readonly silence: NodeJS.Timeout;
  private hold: NodeJS.Timeout | undefined;
  private answered = false;
  private clientStall: NodeJS.Timeout | undefined;
  private readonly begun = Promise.withResolvers<void>();
  private readonly ended = Promise.withResolvers<void>();

  constructor(
    private readonly response: IncomingMessage,
    readonly answer: Answer,
    private readonly options: RelayOptions,
  ) {
    // Each is awaited, but a failure may settle one before the other is.
    this.begun.promise.catch(() => undefined);
    this.ended.promise.catch(() => undefined);
    options.signal.addEventListener('abort', this.onAbort);
    response.on('data', this.onData).on('end', this.onEnd).on('error', this.onBreak).on('close', this.onBreak);
    this.silence = setTimeout(() => this.giveUp('says nothing but that it lives'), options.silenceMs);
    this.watch();
    if (options.signal.aborted) this.onAbort();
  }

  /**
   * Resolves with the first event that says something, or once signs of life have come for a while.
   * @throws UpstreamFault, SaidError
   */
  first(): Promise<void> {
    return this.begun.promise;
  }

  /**
   * Writes everything to a client; resolves once the answer is whole and written.
   * @throws UpstreamFault, SaidError, or the signal's reason
   */
  pipe(out: ServerResponse): Promise<void> {
    this.out = out;
    out.on('drain', this.onDrain);
    const held = this.held;
    this.held = [];
    if (held.length > 0) this.write(held);
    if (!this.settled && !out.writableNeedDrain) this.resume();
    return this.ended.promise;
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.settled) return;
    this.stall?.refresh();
    try {
      this.forward(this.parser.push(chunk));
    } catch (error) {
      this.fail(error);
    }
  };

  private readonly onEnd = (): void => {
    if (this.settled) return;
    try {
      const last = this.parser.end();
      if (last) this.forward([last]);
    } catch {
      // Half an event: what follows says so.
    }
    if (this.settled) return;
    if (!this.answer.finished) return this.fail(brokeOff());
    this.write([DONE]);
    this.succeed();
  };

  private readonly onBreak = (): void => this.fail(brokeOff());
  private readonly onAbort = (): void => this.fail(this.options.signal.reason);

  private readonly onDrain = (): void => {
    clearTimeout(this.clientStall);
    if (!this.settled) this.resume();
  };

  /** Reads along and writes, all that came at once at once. */
  private forward(frames: readonly Frame[]): void {
    const pieces: Buffer[] = [];
    let failure: unknown;
    for (const { raw, data } of frames) {
      try {
        // An event without data is none.
        const step = data === undefined || data === '' ? 'other' : this.answer.event(data);
        if (data !== undefined && data !== '') this.heard();
        if (step === 'token') this.options.onToken(performance.now());
        if (step !== 'usage' || !this.options.hideUsage) pieces.push(raw);
        if (step === 'done') break;
      } catch (error) {
        failure = error;
        break;
      }
    }
    // What was whole before it broke is the client's.
    if (pieces.length > 0) this.write(pieces);
    if (failure !== undefined) throw failure;
    if (this.answer.done) this.succeed();
  }

  private heard(): void {
    this.silence.refresh();
    if (this.answered) return;
    this.answered = true;
    this.options.onAnswer();
  }

  private write(pieces: Buffer[]): void {
    if (!this.out) {
      this.held.push(...pieces);
      if (this.answered || this.held.reduce((sum, { length }) => sum + length, 0) > HELD_MAX) return this.begin();
      this.hold ??= setTimeout(() => this.begin(), HOLD_MS);
      return;
    }
    if (this.out.destroyed) return;
    if (this.out.write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)) || this.settled) return;
    this.pause();
    const { out } = this;
    this.clientStall = setTimeout(() => out.destroy(), this.options.clientStallMs);
  }

  private begin(): void {
    clearTimeout(this.hold);
    this.begun.resolve();
    // Until it is known where to.
    if (!this.out && !this.settled) this.pause();
  }

  private pause(): void {
    clearTimeout(this.stall);
    this.stall = undefined;
    this.response.pause();
  }

  private resume(): void {
    this.response.resume();
    this.watch();
  }

  private watch(): void {
    clearTimeout(this.stall);
    this.stall = setTimeout(() => this.giveUp('says nothing any more'), this.options.stallMs);
  }

  private giveUp(why: string): void {
    this.fail(new UpstreamFault('stalled', `The upstream ${why}.`, { late: this.out !== undefined }));
  }

  private succeed(): void {
    this.settle();
    this.begun.resolve();
    this.ended.resolve();
    if (this.response.complete) return;
    // A connection that ends here is used again.
    this.response.resume();
    const timer = setTimeout(() => this.response.destroy(), LINGER_MS).unref();
    this.response.once('close', () => clearTimeout(timer));
  }

  private fail(error: unknown): void {
    if (this.settled) return;
    this.settle();
    const reason =
      error instanceof FrameTooLargeError
        ? new UpstreamFault('invalid', "The upstream's answer can not be read: an event in it does not end.", {
            late: true,
          })
        : error;
    this.begun.reject(reason);
    this.ended.reject(reason);
    this.response.destroy();
  }

  private settle(): void {
    this.settled = true;
    clearTimeout(this.stall);
    clearTimeout(this.silence);
    clearTimeout(this.hold);
    clearTimeout(this.clientStall);
    this.options.signal.removeEventListener('abort', this.onAbort);
    this.out?.off('drain', this.onDrain);
  }
}

const brokeOff = (): UpstreamFault =>
  new UpstreamFault('broke-off', 'The upstream broke off in the middle of its answer.');
