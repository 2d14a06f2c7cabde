import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, isSecret } from '@vigil/service';
import { killGroup, groupRuns } from './process-group.js';
import { oneLine } from './quantity.js';
import type { GpuFailed, GpuFailureKind, GpuReading, GpuSource } from './types.js';

/** How long a killed group is awaited before it is said to be stuck, in seconds. */
const GRACE_SECONDS = 2;
const UNSURE: ReadonlySet<GpuFailureKind> = new Set(['timeout', 'aborted', 'too-large', 'child']);

/** What the parent asks of the child, over IPC. */
export interface Question {
  id: number;
}

/** What every source that reads in a child takes. */
export interface DeviceOptions {
  /** Deadline of one reading, in seconds. */
  timeoutSeconds: number;
  env?: NodeJS.ProcessEnv;
  now?: () => Date;
}

export interface ForkedSourceOptions<A extends Question> extends DeviceOptions {
  name: string;
  /** What the child asks, in sentences about it. */
  tool: string;
  /** The child's program and its arguments. It answers each question once, with the question's id. */
  program: string;
  args?: readonly string[];
  /** Options of Node.js for it. */
  execArgv?: readonly string[];
  /** Must not throw. */
  toReading: (answer: A, time: Date) => GpuReading;
  /** Further failures after which a new child is the only remedy. */
  restartAfter?: readonly GpuFailureKind[];
}

/**
 * Reads GPUs in a forked child, since what asks a driver may hang and a native call can be ended with its process only.
 * One child serves many readings (a fork costs some 60 ms of CPU); it leads a process group of its own, which is killed
 * when a reading misses its deadline or is called off. The next reading forks again.
 */
export class ForkedSource<A extends Question> implements GpuSource {
  readonly name: string;
  private child: ChildProcess | undefined;
  private inFlight: Promise<GpuReading> | undefined;
  /** The group that was killed last, until it is known to be gone. */
  private killed: number | undefined;
  private lastId = 0;
  private readonly closing = new AbortController();

  constructor(private readonly options: ForkedSourceOptions<A>) {
    this.name = options.name;
  }

  /** One in flight: whoever asks meanwhile gets the same reading. */
  read(signal?: AbortSignal): Promise<GpuReading> {
    this.inFlight ??= this.readOnce(signal).finally(() => {
      this.inFlight = undefined;
    });
    return this.inFlight;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.inFlight;
    await this.kill();
  }

  private async readOnce(signal?: AbortSignal): Promise<GpuReading> {
    const stop = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    if (stop.aborted) return this.failed('aborted', 'the reading was called off');
    if (this.killed !== undefined && (await groupRuns(this.killed)))
      return this.failed(
        'stuck',
        `a reader of ${this.options.tool} that was killed has still not ended: the driver hangs (look at dmesg)`,
      );
    this.killed = undefined;
    const reading = await this.ask(stop).catch((error: unknown) =>
      this.failed('child', `the GPU reader could not be started: ${oneLine(errorMessage(error))}`),
    );
    // After some failures nothing is known of what the child still does; without a GPU its 70 MB would lie idle.
    if (reading.state === 'none' || (reading.state === 'failed' && this.endsChild(reading.kind))) await this.kill();
    return reading;
  }

  private endsChild(kind: GpuFailureKind): boolean {
    return UNSURE.has(kind) || (this.options.restartAfter?.includes(kind) ?? false);
  }

  private ask(stop: AbortSignal): Promise<GpuReading> {
    return new Promise((resolve) => {
      const child = (this.child ??= this.start());
      const id = ++this.lastId;
      const finish = (reading: GpuReading): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('error', onError).off('exit', onExit);
        stop.removeEventListener('abort', onAbort);
        resolve(reading);
      };
      const onMessage = (answer: A): void => {
        if (answer.id !== id) return;
        finish(this.options.toReading(answer, this.options.now?.() ?? new Date()));
      };
      const onError = (error: Error): void => finish(this.failed('child', `the GPU reader: ${oneLine(error.message)}`));
      const onExit = (code: number | null, signal: string | null): void =>
        finish(this.failed('child', `the GPU reader ended (${signal ?? `code ${code}`})`));
      const onAbort = (): void => finish(this.failed('aborted', 'the reading was called off'));
      const { timeoutSeconds, tool } = this.options;
      const timer = setTimeout(
        () => finish(this.failed('timeout', `${tool} gave no answer within ${timeoutSeconds} s and was killed`)),
        Math.min(timeoutSeconds * 1000, 2 ** 31 - 1),
      );
      child.on('message', onMessage).on('error', onError).on('exit', onExit);
      stop.addEventListener('abort', onAbort);
      child.send({ id } satisfies Question, (error) => {
        if (error) onError(error);
      });
    });
  }

  private start(): ChildProcess {
    const child = fork(this.options.program, [...(this.options.args ?? [])], {
      // A leader of its own group, so that what it starts can be killed with it.
      detached: true,
      execArgv: [...(this.options.execArgv ?? [])],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: childEnvironment(this.options.env ?? process.env),
    });
    const gone = (): void => {
      if (this.child !== child) return;
      this.child = undefined;
      if (child.pid === undefined) return;
      // A child that ended by itself may have left others behind.
      killGroup(child.pid);
      this.killed = child.pid;
    };
    // Without a listener an error between two readings would end the collector.
    child.on('error', () => child.pid === undefined && gone());
    child.once('exit', gone);
    return child;
  }

  /** Kills the child's group and awaits its end, within bounds: what hangs in the kernel does not die. */
  private async kill(): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (child?.pid === undefined) return;
    killGroup(child.pid);
    this.killed = child.pid;
    const end = performance.now() + GRACE_SECONDS * 1000;
    while (await groupRuns(child.pid)) {
      if (performance.now() > end) return;
      await sleep(10);
    }
    this.killed = undefined;
  }

  private failed(kind: GpuFailureKind, reason: string): GpuFailed {
    return { state: 'failed', source: this.name, kind, reason };
  }
}

/** The environment without secrets, which no driver needs, and without Node's own options. */
function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isSecret(name) && name !== 'NODE_OPTIONS'));
}
