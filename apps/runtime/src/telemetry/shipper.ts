import { errorMessage, type Logger } from '@vigil/service';
import type { Spool, SpoolEntry } from '@vigil/spool';

export interface ShipperOptions {
  spool: Spool;
  /** The OTLP endpoint, without `/v1/traces`. */
  endpoint: string;
  log: Logger;
  /** Spans that the receiver will not have. */
  onDropped: (reason: 'rejected', count: number) => void;
}

const BATCH_ENTRIES = 64;
const BATCH_BYTES = 2 * 2 ** 20;
/** What ends within this time goes out together, and not in the very moment in which who was answered asks again. */
const GATHER_MS = 200;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
const LONGEST_ASKED_MS = 60_000;
const TIMEOUT_MS = 10_000;
/** What no second attempt will change. Anything else, a wrong address included, is tried again. */
const FINAL = new Set([400, 413, 415, 422]);

type Outcome =
  { type: 'sent' } | { type: 'refused'; status: number } | { type: 'later'; afterMs?: number; why: string };

/** Sends what the spool holds to the collector, oldest first, for as long as it takes. */
export class Shipper {
  private readonly url: string;
  private stopped = false;
  private failures = 0;
  private wakeUp: (() => void) | undefined;
  private done: Promise<void> | undefined;
  private abort = new AbortController();
  /** A batch was refused: its entries go one by one, so that one bad entry takes no other along. */
  private single = 0;

  constructor(private readonly options: ShipperOptions) {
    this.url = `${options.endpoint.replace(/\/+$/, '')}/v1/traces`;
  }

  start(): void {
    this.done = this.run();
  }

  /** There is something to send. */
  wake(): void {
    this.wakeUp?.();
  }

  /** Sends what it can within so many milliseconds; the rest stays on disk for the next start. */
  async stop(flushMs: number): Promise<void> {
    this.stopped = true;
    const timer = setTimeout(() => this.abort.abort(), flushMs);
    this.wake();
    await this.done;
    clearTimeout(timer);
  }

  private async run(): Promise<void> {
    for (;;) {
      const batch = this.nextBatch();
      if (batch.length === 0) {
        if (this.stopped) return;
        await this.sleep();
        await this.gather();
        continue;
      }
      let outcome: Outcome;
      try {
        outcome = await this.send(batch);
      } catch (error) {
        // A file that can not be read, or not be removed: try again rather than end.
        outcome = { type: 'later', why: errorMessage(error) };
      }
      if (outcome.type !== 'later') {
        this.failures = 0;
        if (this.options.spool.length > 0) await this.gather();
        continue;
      }
      if (this.stopped) return;
      this.failures++;
      if (this.failures === 1)
        this.options.log.info({ reason: outcome.why }, 'spans can not be sent now; they wait on disk');
      await this.sleep(outcome.afterMs ?? retryDelay(this.failures - 1));
    }
  }

  private async gather(): Promise<void> {
    const few = this.single === 0 && this.options.spool.length < BATCH_ENTRIES;
    if (few && !this.stopped) await this.sleep(GATHER_MS);
  }

  private nextBatch(): SpoolEntry[] {
    if (this.abort.signal.aborted) return [];
    const batch: SpoolEntry[] = [];
    let size = 0;
    for (const entry of this.options.spool.peek(this.single > 0 ? 1 : BATCH_ENTRIES)) {
      size += entry.size;
      if (batch.length > 0 && size > BATCH_BYTES) break;
      batch.push(entry);
    }
    return batch;
  }

  private async send(batch: readonly SpoolEntry[]): Promise<Outcome> {
    const resourceSpans: unknown[] = [];
    let unreadable = 0;
    for (const entry of batch) {
      const spans = resourceSpansOf(await this.options.spool.read(entry));
      if (spans) resourceSpans.push(...spans);
      else unreadable++;
    }
    const outcome: Outcome = resourceSpans.length === 0 ? { type: 'sent' } : await this.post({ resourceSpans });
    if (outcome.type === 'later') return outcome;
    if (outcome.type === 'refused' && batch.length > 1) {
      this.single = batch.length;
      return outcome;
    }
    if (outcome.type === 'refused') {
      this.options.onDropped('rejected', 1);
      this.options.log.warn({ reason: `status ${outcome.status}` }, 'the collector refused a span');
    }
    if (unreadable > 0) this.options.onDropped('rejected', unreadable);
    this.single = Math.max(0, this.single - 1);
    for (const entry of batch) await this.options.spool.remove(entry);
    return outcome;
  }

  private async post(body: unknown): Promise<Outcome> {
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      const text = await response.text();
      if (response.ok) {
        this.countRejected(text);
        return { type: 'sent' };
      }
      if (FINAL.has(response.status)) return { type: 'refused', status: response.status };
      const afterMs = askedDelay(response.headers.get('retry-after'), Date.now());
      return { type: 'later', why: `status ${response.status}`, ...(afterMs !== undefined && { afterMs }) };
    } catch (error) {
      return { type: 'later', why: errorMessage((error as Error).cause ?? error) };
    }
  }

  private countRejected(text: string): void {
    try {
      const answer = JSON.parse(text) as { partialSuccess?: { rejectedSpans?: number | string } };
      const rejected = Number(answer.partialSuccess?.rejectedSpans ?? 0);
      if (rejected > 0) this.options.onDropped('rejected', rejected);
    } catch {
      // A receiver that answers 200 with something else has them all the same.
    }
  }

  private sleep(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.wakeUp = () => {
        // A new span does not shorten a pause; an end does.
        if (ms !== undefined && !this.stopped) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Pause after so many failures, in milliseconds. */
export function retryDelay(failures: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** Math.min(failures, 20), LONGEST_DELAY_MS);
}

/** What `Retry-After` asks for, seconds or a date, in milliseconds; at most a minute. */
export function askedDelay(header: string | null, now: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_ASKED_MS) : undefined;
}

function resourceSpansOf(data: Uint8Array): unknown[] | undefined {
  try {
    const { resourceSpans } = JSON.parse(Buffer.from(data).toString('utf8')) as { resourceSpans?: unknown };
    return Array.isArray(resourceSpans) ? resourceSpans : undefined;
  } catch {
    return undefined;
  }
}
