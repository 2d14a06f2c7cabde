import { errorMessage, type Logger } from '@vigil/service';
import { SpoolFullError, type Spool, type SpoolEntry } from '@vigil/spool';
import { writeIsolating } from './isolate.js';
import type { StoreLink } from './store-link.js';
import type { Table } from './tables.js';
import type { WriteMetrics } from './write-metrics.js';

/** Rows of one bulk write: beyond, PostgreSQL gains little and a failed one costs more. */
const BATCH_ROWS = 2_000;
/** How long a sender waits for PostgreSQL before its rows go to disk instead, in milliseconds. */
const DEADLINE_MS = 5_000;
/** After a failure to read the spool, in milliseconds. */
const RETRY_READ_MS = 10_000;
/** Transactions of two collectors may stand in each other's way; one of them is then asked to try again. */
const CONFLICT_RETRIES = 5;
/** Entries of the spool that are read at once. */
const BATCH_ENTRIES = 200;

export interface TableWriterOptions<R> {
  table: Table<R>;
  link: StoreLink;
  spool: Spool;
  /** With a full spool rows are refused (`SpoolFullError`), or the oldest that wait give way to them. */
  whenFull: 'refuse' | 'displace';
  metrics: WriteMetrics;
  log: Logger;
}

interface Waiting<R> {
  rows: readonly R[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Takes rows in and answers once they are safe: in PostgreSQL, or on disk while it is away. What arrives while a write
 * runs goes into the next one together, so that bulk comes with load and a lone row need not wait. What waits on disk is
 * written, oldest first, as soon as PostgreSQL is back; a row written twice is stored once.
 */
export class TableWriter<R> {
  private readonly waiting: Waiting<R>[] = [];
  private writing: Promise<void> | undefined;
  private draining: Promise<void> | undefined;
  private closed = false;

  constructor(private readonly options: TableWriterOptions<R>) {
    options.link.onUp(() => this.drain());
  }

  /**
   * Resolves once the rows are safe.
   * @throws SpoolFullError, or the file system's error, where they could be put nowhere: then none counts as accepted
   */
  add(rows: readonly R[]): Promise<void> {
    if (rows.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ rows, resolve, reject });
      this.writing ??= this.writeWaiting();
    });
  }

  /** Ends after the writes that run; what waits on disk stays there for the next start. */
  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
    await this.draining;
  }

  private async writeWaiting(): Promise<void> {
    // A turn of the event loop, so that requests which were read together are written together.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) {
      const group = this.nextGroup();
      try {
        await this.save(group.flatMap(({ rows }) => rows));
        for (const { resolve } of group) resolve();
      } catch (error) {
        // Senders of requests keep them and come again; a reading has no other sender.
        const { whenFull, table, metrics } = this.options;
        if (whenFull === 'displace')
          for (const { rows } of group) metrics.rowsDropped(table.name, 'unsaved', rows.length);
        for (const { reject } of group) reject(error);
      }
    }
    this.writing = undefined;
  }

  /** The oldest that wait, up to a batch and at least one. */
  private nextGroup(): Waiting<R>[] {
    let rows = 0;
    let count = 0;
    while (count < this.waiting.length && (count === 0 || rows + this.waiting[count]!.rows.length <= BATCH_ROWS))
      rows += this.waiting[count++]!.rows.length;
    return this.waiting.splice(0, count);
  }

  private async save(rows: readonly R[]): Promise<void> {
    const { link } = this.options;
    if (link.up) {
      try {
        await withDeadline(this.store(rows));
        return;
      } catch (error) {
        link.lost(error);
      }
    }
    await this.keep(this.options.table.encode(rows));
    if (link.up) this.drain();
  }

  private async keep(bytes: Uint8Array): Promise<void> {
    const { spool, whenFull } = this.options;
    for (;;) {
      try {
        return await spool.add(bytes);
      } catch (error) {
        const [oldest] = spool.peek();
        if (!(error instanceof SpoolFullError) || whenFull === 'refuse' || oldest === undefined) throw error;
        await this.discard(oldest, 'displaced');
      }
    }
  }

  /** Writes to PostgreSQL, batch by batch. Rows that it refuses are given up. */
  private async store(rows: readonly R[]): Promise<void> {
    const { table, link, metrics, log } = this.options;
    const write = async (batch: readonly R[]): Promise<number> => {
      const begin = performance.now();
      try {
        return await retryConflicts(() => table.write(link.store, batch));
      } finally {
        metrics.wrote(table.name, (performance.now() - begin) / 1000);
      }
    };
    for (let i = 0; i < rows.length; i += BATCH_ROWS) {
      const { written, refused } = await writeIsolating(rows.slice(i, i + BATCH_ROWS), write);
      metrics.rowsWritten(table.name, written);
      metrics.rowsDropped(table.name, 'refused', refused.length);
      for (const { row, error } of refused)
        log.error(
          { row: table.describe(row), reason: errorMessage(error) },
          'PostgreSQL refuses a row; it is given up',
        );
    }
    link.proved();
  }

  /** Starts to empty the spool, where nobody does so yet. */
  private drain(): void {
    this.draining ??= this.emptySpool();
  }

  private async emptySpool(): Promise<void> {
    const { link, spool, table, log } = this.options;
    let drained = 0;
    // A turn first: whoever asks has to be remembered as the one that drains before the loop can end.
    await new Promise(setImmediate);
    while (link.up && !this.closed && spool.length > 0) {
      const oldest = await this.readOldest().catch((error: unknown) => this.readLater(error));
      if (oldest === undefined) break;
      try {
        await this.store(oldest.rows);
        for (const entry of oldest.entries) await this.forget(entry);
        drained += oldest.rows.length;
      } catch (error) {
        link.lost(error);
      }
    }
    // In the same turn as the loop's last look, so that nobody who asks now is passed over.
    this.draining = undefined;
    if (drained > 0) log.info({ table: table.name, rows: drained }, 'rows that waited on disk are in PostgreSQL');
  }

  /** Entries for about one batch, with their rows. */
  private async readOldest(): Promise<{ rows: R[]; entries: SpoolEntry[] }> {
    const { spool, table, log } = this.options;
    const rows: R[] = [];
    const entries: SpoolEntry[] = [];
    for (const entry of spool.peek(BATCH_ENTRIES)) {
      if (rows.length >= BATCH_ROWS) break;
      const bytes = await this.read(entry);
      if (bytes === undefined) continue;
      try {
        rows.push(...table.decode(bytes));
        entries.push(entry);
      } catch (error) {
        log.error(
          { entry: entry.name, reason: errorMessage(error) },
          'an entry of the spool is damaged; it is given up',
        );
        await this.discard(entry, 'unreadable');
      }
    }
    return { rows, entries };
  }

  /** The disk fails: the rows stay where they are, and are tried again in a while. */
  private readLater(error: unknown): undefined {
    this.options.log.error({ reason: errorMessage(error) }, 'the spool cannot be read; it is tried again');
    setTimeout(() => this.drain(), RETRY_READ_MS).unref();
  }

  /** `undefined` where the file is gone: displaced in the meantime, or taken away by hand. */
  private async read(entry: SpoolEntry): Promise<Uint8Array | undefined> {
    try {
      return await this.options.spool.read(entry);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (this.options.spool.peek(Infinity).includes(entry)) await this.discard(entry, 'unreadable');
      return undefined;
    }
  }

  private async discard(entry: SpoolEntry, reason: 'unreadable' | 'displaced'): Promise<void> {
    this.options.metrics.rowsDropped(this.options.table.name, reason, 1);
    await this.forget(entry);
  }

  /** What can't be deleted is written once more after the next start, which is harmless. */
  private async forget(entry: SpoolEntry): Promise<void> {
    await this.options.spool.remove(entry).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.options.log.warn(
          { entry: entry.name, reason: errorMessage(error) },
          'an entry of the spool stays on disk',
        );
    });
  }
}

/** A write that takes longer may still succeed: its rows are then found to be there already. */
async function withDeadline(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`PostgreSQL took more than ${DEADLINE_MS / 1000} s`)), DEADLINE_MS);
  });
  // The loser of the race must not end the process.
  work.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Class 40 is a transaction rolled back for another's sake (a deadlock, a failed serialisation). */
async function retryConflicts<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const conflict = String((error as { code?: unknown }).code ?? '').startsWith('40');
      if (!conflict || attempt > CONFLICT_RETRIES) throw error;
    }
  }
}
