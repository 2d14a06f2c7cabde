import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** The spool holds as many bytes as it may. */
export class SpoolFullError extends Error {
  override readonly name = 'SpoolFullError';
}

export interface SpoolEntry {
  /** Sorts in the order of arrival. */
  readonly name: string;
  readonly size: number;
}

export interface SpoolOptions {
  /** Bytes that may wait; an entry that would pass it is refused. */
  maxBytes: number;
  /** Wait for the disk itself (`fsync`) before an entry counts as accepted. Costs milliseconds an entry. */
  fsync: boolean;
}

/**
 * A queue on disk: one file an entry, in a folder of its own, oldest first. An entry appears whole or not at all
 * (written aside, then renamed), so a process killed at any moment leaves nothing half written to be read.
 * One process owns a folder at a time.
 */
export class Spool {
  private readonly queue: SpoolEntry[] = [];
  private held = 0;
  private counter = 0;

  private constructor(
    private readonly dir: string,
    private readonly options: SpoolOptions,
  ) {}

  /** Makes the folder where needed (mode 0700), drops what was never finished, and lists what waits. */
  static async open(dir: string, options: SpoolOptions): Promise<Spool> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const spool = new Spool(dir, options);
    for (const name of (await readdir(dir)).toSorted()) {
      const path = join(dir, name);
      if (name.endsWith('.tmp')) await unlink(path);
      else if (name.endsWith('.entry')) spool.enqueue({ name, size: (await stat(path)).size });
    }
    return spool;
  }

  /** Bytes waiting. */
  get bytes(): number {
    return this.held;
  }

  /** Entries waiting. */
  get length(): number {
    return this.queue.length;
  }

  /**
   * Adds an entry; resolved means accepted.
   * @throws SpoolFullError when the bound is reached; file system errors as they are
   */
  async add(data: Uint8Array): Promise<void> {
    if (this.held + data.byteLength > this.options.maxBytes)
      throw new SpoolFullError(`${this.held} of ${this.options.maxBytes} bytes wait in ${this.dir}`);
    this.held += data.byteLength;
    const stem = `${String(Date.now()).padStart(14, '0')}-${String(this.counter++).padStart(8, '0')}-${randomBytes(3).toString('hex')}`;
    const temporary = join(this.dir, `${stem}.tmp`);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(data);
        if (this.options.fsync) await file.datasync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.dir, `${stem}.entry`));
      if (this.options.fsync) await this.syncFolder();
    } catch (error) {
      this.held -= data.byteLength;
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    this.queue.push({ name: `${stem}.entry`, size: data.byteLength });
  }

  /** The oldest entries, at most `count`, still in the queue. */
  peek(count = 1): readonly SpoolEntry[] {
    return this.queue.slice(0, count);
  }

  /** An entry's bytes. */
  read(entry: SpoolEntry): Promise<Uint8Array> {
    return readFile(join(this.dir, entry.name));
  }

  /** Takes an entry out for good, once what it holds is safe elsewhere. */
  async remove(entry: SpoolEntry): Promise<void> {
    const index = this.queue.findIndex(({ name }) => name === entry.name);
    if (index < 0) return;
    this.queue.splice(index, 1);
    this.held -= entry.size;
    await unlink(join(this.dir, entry.name));
  }

  private enqueue(entry: SpoolEntry): void {
    this.queue.push(entry);
    this.held += entry.size;
  }

  private async syncFolder(): Promise<void> {
    const folder = await open(this.dir, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
