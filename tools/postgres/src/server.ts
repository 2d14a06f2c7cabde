import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import pg from 'pg';
import { findBinaries, SHARED_STATE, type Binaries } from './binaries.js';
import { clusterFolder, prepareCluster, stopLeftOver, type Cluster } from './cluster.js';
import { userForPostgres, type SystemUser } from './system-user.js';

export interface PostgresOptions {
  /** Where the cluster lies; made on first use. */
  folder: string;
  /** TCP port on 127.0.0.1; 0 takes a free one. */
  port: number;
  /** Where the server's own log goes; nowhere unless given. */
  logFile?: string;
  /** Further settings, such as `{ fsync: 'off' }` for tests. */
  settings?: Record<string, string>;
}

/** How long the sessions of a server that was killed may take to notice. */
const PATIENCE_MS = 10_000;

/** An embedded PostgreSQL in a process of its own, on 127.0.0.1 alone. */
export class PostgresServer {
  private child: ChildProcess | undefined;
  private stopped = false;

  private constructor(
    private readonly binaries: Binaries,
    private readonly cluster: Cluster,
    private readonly user: SystemUser | undefined,
    readonly port: number,
    private readonly options: PostgresOptions,
  ) {}

  /** Finds binaries, makes the cluster where there is none, ends a left-over server; does not start yet. */
  static async prepare(options: PostgresOptions): Promise<PostgresServer> {
    const user = userForPostgres();
    const binaries = await findBinaries(user);
    const folder = await clusterFolder(options.folder, user);
    await mkdir(dirname(folder), { recursive: true });
    if (user) for (const path of foldersToOpen(folder)) await chmod(path, 0o755);
    const cluster = await prepareCluster(folder, binaries, user);
    await stopLeftOver(folder);
    return new PostgresServer(binaries, cluster, user, options.port || (await freePort()), options);
  }

  /** Where the data lies. */
  get folder(): string {
    return this.cluster.folder;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** The connection URL of a database; carries the password, so it is not for logs. */
  url(database = 'vigil'): string {
    return `postgres://vigil:${this.cluster.password}@127.0.0.1:${this.port}/${database}`;
  }

  /**
   * Starts the server and makes the database where there is none. After one that was killed it waits until its last
   * sessions are gone.
   * @throws Error with the server's own words when it ends before it answers
   */
  async start(database = 'vigil'): Promise<ChildProcess> {
    this.stopped = false;
    const deadline = performance.now() + PATIENCE_MS;
    for (;;)
      try {
        return await this.launch(database);
      } catch (error) {
        const isHeld = error instanceof Error && error.message.includes('pre-existing shared memory block');
        if (!isHeld || performance.now() > deadline) throw error;
        await new Promise((done) => setTimeout(done, 200));
        if (this.stopped) throw error;
      }
  }

  private async launch(database: string): Promise<ChildProcess> {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: '',
      timezone: 'UTC',
      ...this.options.settings,
    };
    const args = ['-D', this.cluster.folder, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])];
    // A group of its own: Ctrl-C in a terminal must reach the launcher, not the database.
    const child = spawn(this.binaries.postgres, args, {
      ...this.user,
      cwd: dirname(this.cluster.folder),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, TZ: 'UTC' },
    });
    this.child = child;
    let said = '';
    if (this.options.logFile) child.stderr.pipe(createWriteStream(this.options.logFile, { flags: 'a', mode: 0o600 }));
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    for (;;) {
      if (failure) throw failure;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(startFailure(said, this.port));
      if (await this.answers(database)) return child;
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  private async answers(database: string): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 2000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
      if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /**
   * Fast shutdown: open sessions are ended, what was committed is on disk. One that does not follow is ended outright after
   * four seconds, as whoever stops it must not wait for ever; the next start recovers.
   */
  async stop(): Promise<void> {
    this.stopped = true;
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    const hurries = [setTimeout(() => child.kill('SIGQUIT'), 2_500), setTimeout(() => child.kill('SIGKILL'), 4_000)];
    await ended;
    hurries.forEach(clearTimeout);
  }
}

/** The folder above the cluster, and where it is our own place in /var/lib, that too: its user has to pass both. */
function foldersToOpen(folder: string): string[] {
  const parent = dirname(folder);
  return parent.startsWith(`${SHARED_STATE}/`) ? [SHARED_STATE, parent] : [parent];
}

function startFailure(said: string, port: number): string {
  if (/Address already in use/.test(said))
    return `Port ${port} on 127.0.0.1 is taken. Stop the program that listens there, or set POSTGRES_PORT to a free port.`;
  const fatal = said.split('\n').findLast((line) => /FATAL|PANIC|ERROR/.test(line));
  return `PostgreSQL did not start: ${fatal?.trim() ?? (said.trim() || 'it ended without a word')}`;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
