import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, type Logger } from '@vigil/service';
import type { GpuReading, GpuSource } from '@vigil/gpu';

/** How rarely a failing source is asked, and one that has no GPU, in seconds. */
export const MAX_BACKOFF_SECONDS = 60;
export const ABSENT_SECONDS = 300;
/** Node's timers turn a longer wait into none. */
const MAX_WAIT_MS = 2 ** 31 - 1;

export interface Beat {
  /** Failures in a row. */
  failures: number;
  /** From the begin of this reading to the begin of the next. */
  delaySeconds: number;
}

/**
 * When to read again. Up: after the interval. Failed: the interval, then twice that, four times that, up to a
 * minute. None: after five minutes. Never more often than the interval.
 */
export function nextBeat(failures: number, state: GpuReading['state'], intervalSeconds: number): Beat {
  const longest = Math.max(MAX_BACKOFF_SECONDS, intervalSeconds);
  if (state === 'up') return { failures: 0, delaySeconds: intervalSeconds };
  if (state === 'none') return { failures: 0, delaySeconds: Math.max(ABSENT_SECONDS, intervalSeconds) };
  // The exponent is bounded: 2 ** 1024 is not a number of seconds.
  return { failures: failures + 1, delaySeconds: Math.min(intervalSeconds * 2 ** Math.min(failures, 30), longest) };
}

/** Takes each reading. What it throws or rejects with is logged and changes nothing; a promise is not awaited. */
export type GpuSink = (reading: GpuReading, now: Date, durationSeconds: number) => void | Promise<void>;

export interface GpuPollerOptions {
  source: GpuSource;
  intervalSeconds: number;
  sink: GpuSink;
  log: Logger;
  now?: () => Date;
}

/** Reads a source again and again, one reading at a time, and hands each one on. It owns its source. */
export class GpuPoller {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;
  private said = '';

  constructor(private readonly options: GpuPollerOptions) {}

  /** The first reading begins at once. */
  start(): void {
    this.loop ??= this.run();
  }

  /** Calls off the reading in flight, closes the source, and hands nothing on any more. */
  async close(): Promise<void> {
    this.stopping.abort();
    await this.options.source.close();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    while (!signal.aborted) {
      const begin = performance.now();
      const reading = await this.read();
      const durationSeconds = (performance.now() - begin) / 1000;
      if (signal.aborted) return;
      this.say(reading);
      this.deliver(reading, durationSeconds);
      const beat = nextBeat(failures, reading.state, this.options.intervalSeconds);
      failures = beat.failures;
      const waitMs = begin + beat.delaySeconds * 1000 - performance.now();
      await sleep(Math.min(Math.max(waitMs, 0), MAX_WAIT_MS), undefined, { signal }).catch(() => undefined);
    }
  }

  private async read(): Promise<GpuReading> {
    const { source } = this.options;
    try {
      return await source.read(this.stopping.signal);
    } catch (error) {
      return { state: 'failed', source: source.name, kind: 'error', reason: errorMessage(error) };
    }
  }

  private deliver(reading: GpuReading, durationSeconds: number): void {
    const failed = (error: unknown): void =>
      this.options.log.error({ reason: errorMessage(error) }, 'a GPU reading could not be handed on');
    try {
      const done = this.options.sink(reading, this.options.now?.() ?? new Date(), durationSeconds);
      // A slow store must not slow the reading; what the sink holds back is bounded by the sink.
      if (done instanceof Promise) done.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** One line a change: a source that fails all night is said once. */
  private say(reading: GpuReading): void {
    const { source, state } = reading;
    const what =
      state === 'up'
        ? // How many remarks, not which: noise on standard error may bear a time.
          `${reading.samples.map((s) => s.gpu).join()} ${reading.notes.length}`
        : state === 'failed'
          ? reading.kind
          : reading.reason;
    if (this.said === `${state} ${what}`) return;
    this.said = `${state} ${what}`;
    const { log } = this.options;
    if (state === 'up') {
      const gpus = reading.samples.map((s) => s.name ?? s.uuid ?? s.gpu);
      if (reading.notes.length > 0) log.warn({ source, gpus, notes: reading.notes }, 'GPUs are read, with remarks');
      else log.info({ source, gpus }, 'GPUs are read');
    } else if (state === 'none') log.info({ source, reason: reading.reason }, 'no GPU is read');
    else log.warn({ source, kind: reading.kind, reason: reading.reason }, 'reading the GPUs failed');
  }
}
