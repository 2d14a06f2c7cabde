import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { UserError, type ProcessMessage } from '@vigil/service';

export interface ProcessSpec {
  name: string;
  /** A module of ours, which tells over IPC when it is ready … */
  module?: string;
  /** … or somebody else's program. */
  command?: string;
  args?: readonly string[];
  env: Record<string, string | undefined>;
  logFile: string;
  /** Answers 200 once the process serves. */
  healthUrl: string;
  /** How long it may take to stop, in milliseconds, before it is ended outright. */
  stopMs: number;
}

export interface ProcessEvents {
  progress(name: string, text: string): void;
  warning(name: string, text: string): void;
  /** It ended although nobody asked it to; it is started again. */
  died(name: string, how: string): void;
  back(name: string, seconds: number): void;
}

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;
/** A process that lived this long was well: the next death starts again from the first delay. */
export const STABLE_MS = 30_000;

/** Restart delay after so many quick deaths in a row, in milliseconds. */
export function restartDelay(quickDeaths: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** Math.min(quickDeaths, 20), LONGEST_DELAY_MS);
}

/** One process that is started, watched, started again when it dies, and stopped. */
export class ManagedProcess {
  private child: ChildProcess | undefined;
  private log: WriteStream | undefined;
  private stopping = false;
  private supervised = false;
  private quickDeaths = 0;
  private restart: NodeJS.Timeout | undefined;

  constructor(
    readonly spec: ProcessSpec,
    private readonly events: ProcessEvents,
  ) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Starts it and waits until it is healthy; from then on it is brought back when it dies.
   * @throws UserError with the process's own sentence when it ends before that
   */
  async start(): Promise<void> {
    await this.launch();
    if (this.stopping) throw new UserError(`${this.spec.name} was stopped while it started.`);
    this.supervised = true;
    if (this.hasEnded()) this.onDeath('it ended');
  }

  /** Asks it to stop, then ends it and all that it started. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    const child = this.child;
    if (child && !this.hasEnded()) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => this.killGroup(), this.spec.stopMs);
      await ended;
      clearTimeout(timer);
    }
    this.killGroup();
    this.log?.end();
  }

  private hasEnded(): boolean {
    return !this.child || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The whole process group, so that no grandchild is left. */
  private killGroup(): void {
    if (this.child?.pid === undefined) return;
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // Nobody is left in it.
    }
  }

  private async launch(): Promise<void> {
    const { name, module, command, args = [], env } = this.spec;
    // A group of its own: Ctrl-C in a terminal must reach the launcher alone, which stops the others in order.
    const child = module
      ? fork(module, [...args], { env, silent: true, detached: true })
      : spawn(command!, [...args], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const began = Date.now();
    let failure = '';
    let failed: Error | undefined;
    child.once('error', (error) => (failed = error));
    child.on('message', (message: ProcessMessage) => {
      if (message.type === 'progress') this.events.progress(name, message.text);
      if (message.type === 'failed') failure = message.message;
    });
    this.copyOutput(child);
    child.once('exit', (code, signal) => {
      if (this.supervised && !this.stopping) {
        this.quickDeaths = Date.now() - began > STABLE_MS ? 0 : this.quickDeaths + 1;
        this.onDeath(signal ?? `exit code ${code}${failure ? `: ${failure}` : ''}`);
      }
    });
    for (;;) {
      if (this.stopping) return;
      if (failed) throw new UserError(`${name} could not be started: ${failed.message}`);
      if (this.hasEnded()) {
        const how = child.signalCode ?? `exit code ${child.exitCode}`;
        throw new UserError(failure || `${name} ended while it started (${how}). Its log: ${this.spec.logFile}`);
      }
      if (await answers(this.spec.healthUrl)) return;
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  private onDeath(how: string): void {
    this.killGroup();
    this.events.died(this.spec.name, how);
    this.restart = setTimeout(() => void this.bringBack(), restartDelay(this.quickDeaths - 1));
  }

  private async bringBack(): Promise<void> {
    const began = Date.now();
    try {
      await this.launch();
      if (!this.stopping) this.events.back(this.spec.name, (Date.now() - began) / 1000);
    } catch {
      // Its death was told by the exit handler, which tries again.
    }
  }

  /** Everything goes to the log file; what is a warning or worse is shown as well. */
  private copyOutput(child: ChildProcess): void {
    this.log ??= createWriteStream(this.spec.logFile, { flags: 'a', mode: 0o600 });
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      stream.pipe(this.log, { end: false });
      createInterface({ input: stream }).on('line', (line) => {
        const text = warningOf(line);
        if (text !== undefined && !this.stopping) this.events.warning(this.spec.name, text);
      });
    }
  }
}

/** The readable part of a JSON log line of level warn or above. */
export function warningOf(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const { level, msg, reason } = JSON.parse(line) as { level?: string; msg?: string; reason?: unknown };
    if (level !== 'warn' && level !== 'error' && level !== 'fatal') return undefined;
    return typeof reason === 'string' ? `${msg ?? ''}: ${reason}` : (msg ?? line);
  } catch {
    return undefined;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
