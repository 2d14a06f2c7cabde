import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { errorMessage, isSecret } from '@vigil/service';
import { monotonicSeconds, rootsOf } from './files.js';
import type { Machine, Roots, Volume } from './types.js';

/** Always the build: Node.js does not run sources that import others by the names of the build. */
const CHILD = fileURLToPath(new URL('../dist/host-child.js', import.meta.url));
/** How long a killed child is awaited at the end, in seconds. */
const GRACE_SECONDS = 2;
/** After a volume that hung, how long it is let alone, in seconds. */
const VOLUME_PAUSE_SECONDS = 60;

/** What the parent asks of the child, over IPC. */
export interface Question {
  id: number;
  roots: Roots;
  /** `null` asks for the machine alone. */
  volumePath: string | null;
}

/** What the child answers: the machine first, then the volume. */
export type Answer = { id: number } & (
  { part: 'machine'; machine: Machine } | { part: 'volume'; volume: Volume | null; problem: string | null }
);

/** Why a reading failed; a metric's label, so the list stays short. */
export type HostFailureKind =
  /** No answer before the deadline. */
  | 'timeout'
  /** A reader that was killed has not ended: the kernel hangs. Another one is not started beside it. */
  | 'stuck'
  /** The child process ended or could not be started. */
  | 'child'
  /** The reading was called off. */
  | 'aborted';

export interface HostUp {
  state: 'up';
  machine: Machine;
  volume: Volume | null;
  /** Why there is no volume although one was asked for: a phrase that names its path. */
  problem: string | null;
}
/** Not Linux: there is nothing to read, and that is no failure. */
export interface HostNone {
  state: 'none';
  reason: string;
}
export interface HostFailed {
  state: 'failed';
  kind: HostFailureKind;
  reason: string;
}
export type HostReading = HostUp | HostNone | HostFailed;

export interface HostProbeOptions {
  /** Deadline of one reading, in seconds. */
  timeoutSeconds: number;
  /** The path whose file system is looked at; none unless given. */
  volumePath?: string;
  roots?: Roots;
  /** Seconds for which a volume that hung is not asked for again. */
  volumePauseSeconds?: number;
  /** How a child is ended; tests put another, since a process that can't be killed can't be had. */
  kill?: (child: ChildProcess) => void;
}

/**
 * Reads the machine in a forked child, which is killed when a reading misses its deadline; a volume that hangs costs the
 * rest of the reading nothing. One child serves many readings (a fork costs some 50 ms of CPU).
 */
export class HostProbe {
  private child: ChildProcess | undefined;
  /** Children that were killed and have not ended yet. Never more than two: one hung on the volume, one elsewhere. */
  private readonly stuck = new Set<{ child: ChildProcess; on: 'machine' | 'volume' }>();
  private volumeFrom = -Infinity;
  private inFlight: Promise<HostReading> | undefined;
  private lastId = 0;
  private readonly closing = new AbortController();
  private readonly roots: Roots;

  constructor(private readonly options: HostProbeOptions) {
    this.roots = options.roots ?? rootsOf();
  }

  /** Never rejects. One in flight: whoever asks meanwhile gets the same reading. */
  read(signal?: AbortSignal): Promise<HostReading> {
    this.inFlight ??= this.readOnce(signal).finally(() => {
      this.inFlight = undefined;
    });
    return this.inFlight;
  }

  /** Ends the child. A later `read` fails as `aborted`. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.inFlight;
    if (this.child) this.kill('machine');
    const ends = [...this.stuck].map(({ child }) => once(child, 'exit'));
    if (ends.length > 0)
      await Promise.race([Promise.all(ends), sleep(GRACE_SECONDS * 1000, undefined, { ref: false })]);
  }

  private async readOnce(signal?: AbortSignal): Promise<HostReading> {
    const stop = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    if (stop.aborted) return failed('aborted', 'the reading was called off');
    if (process.platform !== 'linux' && !this.roots.ofHost)
      return { state: 'none', reason: `nodes are read on Linux only, and this is ${process.platform}` };
    const stuck = [...this.stuck].map((s) => s.on);
    if (stuck.includes('machine'))
      return failed('stuck', 'a reader that was killed has still not ended: a driver hangs (look at dmesg)');
    const { volumePath } = this.options;
    const resting = stuck.includes('volume') || monotonicSeconds() < this.volumeFrom;
    try {
      return await this.ask(stop, resting ? null : (volumePath ?? null), resting);
    } catch (error) {
      return failed('child', `the reader could not be started: ${errorMessage(error)}`);
    }
  }

  private ask(stop: AbortSignal, volumePath: string | null, resting: boolean): Promise<HostReading> {
    return new Promise((resolve) => {
      const child = (this.child ??= this.start());
      const id = ++this.lastId;
      let machine: Machine | undefined;
      const finish = (reading: HostReading): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('error', onError).off('exit', onExit);
        stop.removeEventListener('abort', onAbort);
        resolve(reading);
      };
      const withoutVolume = (problem: string | null): void =>
        finish({ state: 'up', machine: machine!, volume: null, problem });
      const onMessage = (answer: Answer): void => {
        if (answer.id !== id) return;
        if (answer.part === 'volume') {
          const { volume, problem } = answer;
          return finish({ state: 'up', machine: machine!, volume, problem });
        }
        machine = answer.machine;
        if (volumePath === null) withoutVolume(resting ? this.hangs() : null);
      };
      const broken = (reason: string): void =>
        machine ? withoutVolume(`${volumePath}: ${reason}`) : finish(failed('child', reason));
      const onError = (error: Error): void => broken(`the reader failed: ${error.message}`);
      const onExit = (code: number | null, signal: string | null): void =>
        broken(`the reader ended (${signal ?? `code ${code}`})`);
      const onAbort = (): void => {
        this.kill(machine ? 'volume' : 'machine');
        finish(failed('aborted', 'the reading was called off'));
      };
      const onLate = (): void => {
        this.kill(machine ? 'volume' : 'machine');
        const { timeoutSeconds } = this.options;
        if (!machine) return finish(failed('timeout', `the machine was not read within ${timeoutSeconds} s`));
        this.volumeFrom = monotonicSeconds() + (this.options.volumePauseSeconds ?? VOLUME_PAUSE_SECONDS);
        withoutVolume(this.hangs());
      };
      const timer = setTimeout(onLate, Math.min(this.options.timeoutSeconds * 1000, 2 ** 31 - 1));
      child.on('message', onMessage).on('error', onError).on('exit', onExit);
      stop.addEventListener('abort', onAbort);
      const question: Question = { id, roots: this.roots, volumePath };
      child.send(question, (error) => {
        if (error) onError(error);
      });
    });
  }

  private hangs(): string {
    return `${this.options.volumePath} does not answer: its file system hangs (a server that is away?)`;
  }

  private start(): ChildProcess {
    const child = fork(CHILD, [], {
      // It holds next to nothing, and shall not grow.
      execArgv: ['--max-old-space-size=32', '--max-semi-space-size=1'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !isSecret(name) && name !== 'NODE_OPTIONS'),
      ),
    });
    const gone = (): void => {
      if (this.child === child) this.child = undefined;
    };
    // Without a listener an error between two readings would end the collector.
    child.on('error', gone).once('exit', gone);
    return child;
  }

  private kill(on: 'machine' | 'volume'): void {
    const child = this.child;
    this.child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const entry = { child, on };
    this.stuck.add(entry);
    child.once('exit', () => this.stuck.delete(entry));
    if (this.options.kill) this.options.kill(child);
    else child.kill('SIGKILL');
  }
}

function failed(kind: HostFailureKind, reason: string): HostFailed {
  return { state: 'failed', kind, reason };
}
