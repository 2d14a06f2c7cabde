import { describeError, UserError } from './errors.js';

/** What `createApp` of every application gives: one way to start and one to stop. */
export interface App {
  /** Resolves once the application serves. Addresses by name, such as `{ api: 'http://127.0.0.1:8080' }`. */
  start(): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

/** What a process tells the one that started it, over Node's IPC channel. */
export type ProcessMessage =
  | { type: 'ready'; addresses: Record<string, string> }
  | { type: 'progress'; text: string }
  | { type: 'failed'; message: string };

const NODE = 24;

/** Tells the parent, if there is one that listens. */
export function tellParent(message: ProcessMessage): void {
  if (process.connected) process.send?.(message, () => undefined);
}

/** A sentence where this Node.js is too old: what it lacks would fail only when it is needed. */
export function tooOld(version: string): string | undefined {
  if (Number(version.split('.')[0]) >= NODE) return undefined;
  return `This runs on Node.js ${NODE} or newer, and this is ${version}. Start it by npm, which brings a Node.js of its own, or with another one.`;
}

/** SIGINT and SIGTERM stop; a parent that vanished stops too, so that no process is left behind. */
export async function runMain(create: () => App | Promise<App>): Promise<void> {
  let app: App | undefined;
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(code || 1), 9_000).unref();
    await app?.stop();
    process.exit(code);
  };
  process.on('SIGINT', () => void stop(0));
  process.on('SIGTERM', () => void stop(0));
  process.on('disconnect', () => void stop(0));
  process.on('uncaughtException', (error) => {
    console.error(describeError(error));
    tellParent({ type: 'failed', message: describeError(error) });
    void stop(1);
  });
  process.on('unhandledRejection', (error) => {
    throw error;
  });
  try {
    const reason = tooOld(process.versions.node);
    if (reason !== undefined) throw new UserError(reason);
    app = await create();
    const addresses = await app.start();
    tellParent({ type: 'ready', addresses });
  } catch (error) {
    // A start that is broken off fails: that is what was asked for.
    if (stopping) return;
    console.error(error instanceof UserError ? error.message : describeError(error));
    tellParent({ type: 'failed', message: describeError(error) });
    await stop(1);
  }
}
