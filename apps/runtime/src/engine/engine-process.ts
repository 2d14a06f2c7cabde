import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@vigil/service';
import { outOfMemoryKills, ranOutOfMemory } from './out-of-memory.js';
import type { AnswerMessage, FromChild, LoadOptions, ModelInfo, SchedulerStats, ToChild } from './protocol.js';

/** Always the built one: Node runs it as it is, also when a test runs this file from its source. */
const CHILD = fileURLToPath(new URL('../../dist/child/main.js', import.meta.url));
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** An engine that lived this long was well: its next death counts as the first. */
const STABLE_MS = 30_000;
/** The end of what it wrote, to say why it died. */
const OUTPUT_KEPT = 2_000;
/** More cores than these have nothing more to do for it. */
const MOST_POOL_THREADS = 36;
/** What is left of the sequences after it died for want of memory. */
const SHRINKAGE = 0.7;

/** Delay before the engine is started again, in milliseconds, after so many quick deaths in a row. */
export function restartDelay(quickDeaths: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** Math.min(quickDeaths, 20), LONGEST_DELAY_MS);
}

export interface EngineEvents {
  /** What came of a step. */
  answers(messages: readonly AnswerMessage[], stats: SchedulerStats | undefined): void;
  /** Ready, for the first time or again; `seconds` it took. */
  ready(info: ModelInfo, seconds: number): void;
  /** It died after it had been ready; it is being started again. */
  died(how: string, outOfMemory: boolean): void;
  progress(ratio: number): void;
}

/** The engine said in a whole sentence why it can not load the model. */
export class LoadRefusedError extends Error {
  override readonly name = 'LoadRefusedError';
}

/** It ended while it loaded the model. */
export class EngineDiedError extends Error {
  override readonly name = 'EngineDiedError';
}

export type EngineState = 'starting' | 'ready' | 'down' | 'stopped';

/** The engine's process: started, watched, started again when it dies, ended. */
export class EngineProcess {
  state: EngineState = 'starting';
  /** Failed attempts to bring it back, in a row. */
  failures = 0;
  /** Why it is not ready. */
  reason = 'the model is being loaded';
  private child: ChildProcess | undefined;
  private quickDeaths = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Of its last load. */
  private sequences: number | undefined;
  /** The process that was ended from here. */
  private ended: ChildProcess | undefined;
  /** When it last said anything, or was started; undefined where there is none. Milliseconds of the monotonic clock. */
  private heardAt: number | undefined;
  /** Processes that the system had killed for want of memory, a while ago and now. */
  private kills: [before: number | undefined, now: number | undefined] = [undefined, undefined];

  constructor(
    private options: LoadOptions,
    private readonly events: EngineEvents,
    private readonly log: Logger,
  ) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Loads the model for the first time. Where what to compute on is left to us and a process dies of it, as with a GPU
   * whose driver does not fit, it is the processor.
   * @throws EngineDiedError, or an Error with the engine's own reason
   */
  async start(): Promise<void> {
    try {
      await this.launch();
    } catch (error) {
      if (!(error instanceof EngineDiedError) || this.options.gpu !== 'auto' || this.state === 'stopped') throw error;
      this.log.warn({ reason: error.message }, 'the engine died of what it computed on; it is tried on the processor');
      this.options = { ...this.options, gpu: 'none' };
      await this.launch();
    }
  }

  send(message: ToChild): void {
    // A channel that is closing fails by callback; the exit that follows is what counts.
    if (this.child?.connected) this.child.send(message, () => undefined);
  }

  /** Seconds since it last said anything; 0 where there is none. */
  silence(now: number): number {
    return this.heardAt === undefined ? 0 : (now - this.heardAt) / 1000;
  }

  /** To be called every second or so: whom the system kills between two calls may be this one. */
  tick(): void {
    this.kills = [this.kills[1], outOfMemoryKills()];
  }

  /** Ends a process that no longer answers; its death brings the next. */
  kill(): void {
    this.ended = this.child;
    this.child?.kill('SIGKILL');
  }

  /** Ends it for good. Nothing in it needs an orderly end, and llama.cpp's own can hang. */
  async stop(): Promise<void> {
    this.state = 'stopped';
    clearTimeout(this.timer);
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
  }

  private launch(): Promise<void> {
    const began = performance.now();
    const kills = outOfMemoryKills();
    this.kills = [kills, kills];
    this.heardAt = began;
    const child = fork(CHILD, [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: String(threadPoolSize(Math.max(availableParallelism(), this.options.threads))),
      },
    });
    this.child = child;
    this.send({ type: 'load', options: this.options });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => (output = (output + data.toString()).slice(-OUTPUT_KEPT)));
    child.on('error', (error) => (output += error.message));
    let complaint = '';
    return new Promise((resolve, reject) => {
      child.on('message', (message: FromChild) => {
        this.heardAt = performance.now();
        if (message.type === 'loaded') {
          if (this.state === 'stopped') return;
          this.sequences = message.info.sequences;
          this.state = 'ready';
          this.failures = 0;
          complaint = '';
          this.events.ready(message.info, (performance.now() - began) / 1000);
          resolve();
        } else if (message.type === 'load-failed') {
          // llama.cpp's own first complaint says more than the error that came of it.
          const all = complaint === '' ? message.message : `${message.message} (${complaint})`;
          reject(message.sentence ? new LoadRefusedError(message.message) : new Error(all));
          child.kill('SIGKILL');
        } else if (message.type === 'load-progress') this.events.progress(message.ratio);
        else if (message.type === 'log') {
          if (message.level === 'error' && complaint === '') complaint = message.message;
          this.log[message.level]({ source: 'llama.cpp' }, message.message);
        } else this.events.answers(message.messages, message.stats);
      });
      // 'close' comes after everything that it said was read.
      child.once('close', (code, signal) => {
        const how = `${signal ?? `exit code ${code}`}${complaint === '' ? lastWords(output) : `: ${complaint}`}`;
        reject(new EngineDiedError(`the engine's process ended (${how})`));
        if (child === this.child) this.heardAt = undefined;
        const outOfMemory = child !== this.ended && ranOutOfMemory(signal, output, this.kills[0], outOfMemoryKills());
        if (child === this.child) this.onExit(how, performance.now() - began, outOfMemory);
      });
    });
  }

  private onExit(how: string, livedMs: number, outOfMemory: boolean): void {
    if (this.state === 'stopped' || this.state === 'starting') return;
    this.reason = `the engine died (${how}) and is being started again`;
    if (outOfMemory && this.sequences !== undefined) {
      const tried = Math.min(this.sequences, this.options.ceiling ?? this.sequences);
      this.options = { ...this.options, ceiling: Math.max(1, Math.floor(tried * SHRINKAGE)) };
    }
    this.quickDeaths = livedMs > STABLE_MS ? 0 : this.quickDeaths + 1;
    if (this.state === 'ready') {
      this.state = 'down';
      this.log.error({ reason: how }, 'the engine died; it is started again');
      this.events.died(how, outOfMemory);
    } else this.failures++;
    this.timer = setTimeout(
      () => {
        this.launch().catch((error: Error) =>
          this.log.error({ reason: error.message }, 'the engine did not come back'),
        );
      },
      restartDelay(Math.max(this.quickDeaths - 1, 0)),
    );
  }
}

/**
 * Batches are computed and tokens chosen in the pool, and a lane does one after the other: a thread a core is enough. On
 * two cores more of them made Linux put two on one while the other idled (11 % of a core at 8 streams instead of 6).
 */
function threadPoolSize(threads: number): number {
  return Math.min(Math.max(threads, 2), MOST_POOL_THREADS);
}

/** What it said last; of Node's own report of an error not the version that closes it, but the error. */
export function lastWords(output: string): string {
  const lines = output.trim().split('\n');
  const line = lines.findLast((one) => /^\w*Error\b/.test(one)) ?? lines.at(-1) ?? '';
  return line === '' ? '' : `: ${line.slice(0, 300)}`;
}
