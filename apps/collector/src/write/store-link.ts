import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, type Logger } from '@vigil/service';
import { connect, connectionProblem, createStore } from '@vigil/store';
import { backoffMs } from './backoff.js';

export type Store = ReturnType<typeof createStore>;

/** How often an idle database is asked whether it is still there, in milliseconds. */
const PING_MS = 10_000;
/** How long a start waits for the first attempt, in milliseconds. */
const PATIENCE_MS = 6_000;

/**
 * The way to PostgreSQL: connects, brings the schema up to date, notices when it goes away, and keeps trying until it is
 * back. Writers ask whether it is up and say when a write failed.
 */
export class StoreLink {
  readonly store: Store;
  private readonly stopping = new AbortController();
  private readonly listeners: (() => void)[] = [];
  private readonly tried: Promise<void>;
  private firstTried!: () => void;
  private loop: Promise<void> | undefined;
  private wake: () => void = () => undefined;
  private connected = false;
  /** In a row; only a write that worked ends the row, since a database may answer and still refuse every write. */
  private failures = 0;
  private why: string | undefined = 'not connected yet';

  constructor(
    private readonly url: string,
    private readonly log: Logger,
  ) {
    this.store = createStore({
      url,
      applicationName: 'vigil-collector',
      onPoolError: (error) => log.debug({ reason: error.message }, 'an idle connection to PostgreSQL broke'),
    });
    this.tried = new Promise((done) => (this.firstTried = done));
  }

  get up(): boolean {
    return this.connected;
  }

  /** A sentence on why it is down; `undefined` while it is up. */
  get problem(): string | undefined {
    return this.why;
  }

  /** Called each time that it comes up. */
  onUp(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Begins to connect. Resolves after the first attempt, whatever came of it, or when that takes long. */
  async start(): Promise<void> {
    this.loop ??= this.run();
    const patience = new AbortController();
    const { signal } = patience;
    await Promise.race([this.tried, sleep(PATIENCE_MS, undefined, { signal }).catch(() => undefined)]);
    patience.abort();
  }

  /** A write failed for no fault of its rows: the link is down until it has connected again. */
  lost(error: unknown): void {
    if (!this.connected) return;
    this.connected = false;
    this.failures += 1;
    this.why = connectionProblem(error, this.url);
    this.log.warn({ reason: errorMessage(error) }, 'PostgreSQL is away; what is accepted waits on disk');
    this.wake();
  }

  /** A write worked. */
  proved(): void {
    this.failures = 0;
  }

  async close(): Promise<void> {
    this.stopping.abort();
    this.wake();
    await this.loop;
    if (this.store.isInitialized) await this.store.destroy();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.attempt();
      this.firstTried();
      while (this.connected && !signal.aborted) await this.watch();
      if (signal.aborted) return;
      await sleep(backoffMs(this.failures), undefined, { signal }).catch(() => undefined);
    }
  }

  private async attempt(): Promise<void> {
    try {
      await connect(this.store, this.url);
      if (this.stopping.signal.aborted) return;
      this.connected = true;
      this.why = undefined;
      this.log.info('PostgreSQL is up');
      for (const listener of this.listeners) listener();
    } catch (error) {
      this.failures += 1;
      const problem = connectionProblem(error, this.url);
      if (problem !== this.why) this.log.warn(problem);
      this.why = problem;
    }
  }

  /** Until it is lost, or for a while; then it is asked. */
  private async watch(): Promise<void> {
    const woken = new Promise<void>((done) => (this.wake = done));
    const calm = new AbortController();
    const quiet = await Promise.race([
      woken.then(() => false),
      sleep(PING_MS, true, { signal: calm.signal }).catch(() => false),
    ]);
    calm.abort();
    if (!quiet || !this.connected || this.stopping.signal.aborted) return;
    await this.store.query('SELECT 1').catch((error: unknown) => this.lost(error));
  }
}
