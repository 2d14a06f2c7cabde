import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { describeUrl, whyAway } from './connection-problem.js';
import { prepareDay } from './partitions.js';
import { cut } from './store.js';

/** Any number will do, as long as nobody else takes it: held while the schema is brought up to date. */
const MIGRATION_LOCK = 814_001;
/** Between two attempts, in milliseconds. */
const RETRY_MS = 500;
/** Between two sentences, in milliseconds. */
const TELL_MS = 5_000;

/** For how long a server is waited for that does not answer yet. */
export interface Patience {
  seconds: number;
  /** Ends the wait at once; `connect` then throws. */
  signal: AbortSignal;
  /** Told every few seconds what is waited for, and how much longer. */
  onWait: (sentence: string) => void;
}

/**
 * Connects and brings the schema up to date; processes that start together wait for one another.
 * @param patience waits for a server that is away; a refused password or an unknown database is never waited for
 * @throws the driver's error when the server can't be reached; `connectionProblem` words it
 */
export async function connect(store: DataSource, url: string, patience?: Patience): Promise<void> {
  if (patience === undefined) return attempt(store, url);
  const { seconds, signal, onWait } = patience;
  const end = performance.now() + seconds * 1000;
  let tellAt = -Infinity;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt(store, url, signal);
    } catch (error) {
      signal.throwIfAborted();
      const reason = whyAway(error);
      const now = performance.now();
      if (reason === undefined || now >= end) throw error;
      if (now >= tellAt) {
        onWait(
          `PostgreSQL at ${describeUrl(url)} does not answer yet (${reason}); it is waited for, ${Math.ceil((end - now) / 1000)} s more at the most.`,
        );
        tellAt = now + TELL_MS;
      }
      await sleep(Math.min(RETRY_MS, end - now), undefined, { signal });
    }
  }
}

async function attempt(store: DataSource, url: string, signal?: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 120_000 });
  client.on('error', () => undefined);
  const onAbort = () => cut(client);
  signal?.addEventListener('abort', onAbort);
  try {
    await client.connect();
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    if (!store.isInitialized) await store.initialize();
    await store.runMigrations({ transaction: 'each' });
    await prepareDay(store, new Date());
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await client.end().catch(() => undefined);
  }
}
