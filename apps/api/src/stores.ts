import { errorMessage, UserError, type Lifecycle, type Logger } from '@vigil/service';
import { connect, connectionProblem, createStore } from '@vigil/store';
import type { DataSource } from 'typeorm';
import type { ApiConfig } from './config.js';
import type { DatabaseState } from './database.js';

/** Connections under a name of their own; nothing is reached for before `openStores`. */
export function makeStore(
  config: ApiConfig,
  applicationName: string,
  statementSeconds: number,
  log: Logger,
  lifecycle: Lifecycle,
): DataSource {
  const store = createStore({
    url: config.DATABASE_URL,
    applicationName,
    statementSeconds,
    onPoolError: (error) => log.debug({ reason: errorMessage(error) }, 'an idle connection to PostgreSQL ended'),
  });
  lifecycle.onStop(`database of ${applicationName}`, async () => {
    if (store.isInitialized) await store.destroy();
  });
  return store;
}

/**
 * Connects, and waits for a PostgreSQL that does not answer yet as long as DATABASE_WAIT says; a stop ends the wait.
 * @throws UserError with a sentence on why it can't be used
 */
export async function openStores(
  stores: readonly DataSource[],
  config: ApiConfig,
  database: DatabaseState,
  log: Logger,
  lifecycle: Lifecycle,
): Promise<void> {
  const stopping = new AbortController();
  lifecycle.onStop('wait for PostgreSQL', () => stopping.abort());
  const onWait = (sentence: string): void => {
    database.ill(sentence);
    log.warn(sentence);
  };
  const end = performance.now() + config.DATABASE_WAIT * 1000;
  try {
    for (const store of stores) {
      const seconds = Math.max(0, end - performance.now()) / 1000;
      await connect(store, config.DATABASE_URL, { seconds, signal: stopping.signal, onWait });
    }
  } catch (error) {
    throw new UserError(connectionProblem(error, config.DATABASE_URL));
  }
}
