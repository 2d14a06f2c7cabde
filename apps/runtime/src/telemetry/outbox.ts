import { join } from 'node:path';
import { SpanKind } from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import { errorMessage, UserError, type Logger } from '@vigil/service';
import { Spool, SpoolFullError } from '@vigil/spool';
import { OpenRecords } from './open-records.js';
import { Patience } from './patience.js';
import { Shipper } from './shipper.js';

export interface OutboxOptions {
  /** DATA_DIR. */
  dataDir: string;
  maxBytes: number;
  endpoint: string;
  log: Logger;
  onDropped: (reason: 'full' | 'disk' | 'rejected', count: number) => void;
}

/** Spans being written to disk at once; a disk that hangs must not fill the memory. */
const MOST_PENDING = 1_000;
const FLUSH_MS = 1_500;
/** How long an answer waits for the note that its request is under way; a busy machine takes a tenth of it. */
const NOTE_MS = 1_000;
const LOG_EVERY_MS = 60_000;
/** How often a process says that it lives: requests that it leaves unfinished are dated to that. */
const BEAT_MS = 2_000;

/**
 * Spans on their way out: onto disk at once, to the collector when it answers. Neither a collector that is away nor
 * a SIGKILL loses one, and nothing that goes wrong here reaches a request.
 */
export class SpanOutbox implements SpanProcessor {
  private readonly pending = new Set<Promise<void>>();
  private readonly opened = new Map<string, Promise<void>>();
  private readonly patience = new Patience(NOTE_MS);
  private parts: ReadableSpan[] = [];
  private loggedAt = -Infinity;
  private heart: NodeJS.Timeout | undefined;

  private constructor(
    private readonly options: OutboxOptions,
    private readonly spool: Spool,
    private readonly records: OpenRecords,
    private readonly shipper: Shipper,
  ) {}

  /**
   * Opens the folders, reports what an earlier process left unfinished, and begins to send.
   * @throws UserError where DATA_DIR can not be written
   */
  static async open(options: OutboxOptions): Promise<SpanOutbox> {
    try {
      const spool = await Spool.open(join(options.dataDir, 'runtime-spans'), {
        maxBytes: options.maxBytes,
        fsync: false,
      });
      const records = await OpenRecords.open(join(options.dataDir, 'runtime-open'));
      const shipper = new Shipper({ ...options, spool });
      const outbox = new SpanOutbox(options, spool, records, shipper);
      await outbox.recover();
      outbox.heart = setInterval(() => outbox.beat(), BEAT_MS).unref();
      shipper.start();
      return outbox;
    } catch (error) {
      throw new UserError(
        `The folder ${options.dataDir} can not be used: ${errorMessage(error)}. Set DATA_DIR to a folder that this user may write.`,
      );
    }
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.spool.bytes;
  }

  /**
   * A request is being answered: if this process is killed, the next one reports it. Resolves once that is sure, or the
   * disk takes too long; never rejects.
   */
  begin(span: ReadableSpan): Promise<void> {
    const { spanId } = span.spanContext();
    const request = JsonTraceSerializer.serializeRequest([span]);
    if (!request || this.opened.size >= MOST_PENDING) return Promise.resolve();
    const writing = this.records.write(spanId, request);
    const written = writing.catch((error: unknown) => this.complain(error));
    this.opened.set(spanId, written);
    return this.patience.for(writing);
  }

  onStart(): void {
    // `begin` is called once the span says enough.
  }

  onEnd(span: ReadableSpan): void {
    // Parts of a request end with it, at once and before it, and travel with it.
    if (span.kind === SpanKind.INTERNAL) {
      this.parts.push(span);
      return;
    }
    const spans = [span, ...this.parts.splice(0)];
    if (this.pending.size >= MOST_PENDING) return this.options.onDropped('full', 1);
    const work = this.keep(spans).finally(() => this.pending.delete(work));
    this.pending.add(work);
  }

  async forceFlush(): Promise<void> {
    while (this.pending.size > 0) await Promise.all(this.pending);
  }

  /** Sends what it can within moments; the rest waits on disk for the next start. */
  async shutdown(): Promise<void> {
    clearInterval(this.heart);
    await this.forceFlush();
    await this.shipper.stop(FLUSH_MS);
  }

  private beat(): void {
    if (this.opened.size > 0) this.records.beat(new Date()).catch((error: unknown) => this.complain(error));
  }

  private async keep(spans: ReadableSpan[]): Promise<void> {
    const { spanId } = spans[0]!.spanContext();
    try {
      const request = JsonTraceSerializer.serializeRequest(spans);
      if (request) await this.spool.add(request);
      this.shipper.wake();
    } catch (error) {
      const full = error instanceof SpoolFullError;
      this.options.onDropped(full ? 'full' : 'disk', 1);
      this.complain(error);
    }
    const written = this.opened.get(spanId);
    if (!written) return;
    this.opened.delete(spanId);
    await written;
    await this.records.remove(spanId).catch(() => undefined);
  }

  /** What was under way when an earlier process was killed; not what it had already ended, but not yet removed. */
  private async recover(): Promise<void> {
    const leftovers = await this.records.leftovers();
    if (leftovers.length === 0) return;
    const ended = new Set<string>();
    for (const entry of this.spool.peek(this.spool.length)) {
      const text = Buffer.from(await this.spool.read(entry)).toString('utf8');
      for (const { spanId } of leftovers) if (text.includes(`"spanId":"${spanId}"`)) ended.add(spanId);
    }
    for (const { spanId, request } of leftovers) {
      try {
        if (request && !ended.has(spanId)) await this.spool.add(request);
      } catch (error) {
        this.options.onDropped(error instanceof SpoolFullError ? 'full' : 'disk', 1);
      }
      await this.records.remove(spanId);
    }
    this.options.log.warn(
      { requests: leftovers.length - ended.size },
      'requests were under way when the runtime was last ended; they are reported as failed',
    );
  }

  private complain(error: unknown): void {
    const now = performance.now();
    if (now - this.loggedAt < LOG_EVERY_MS) return;
    this.loggedAt = now;
    this.options.log.warn({ reason: errorMessage(error) }, 'a span could not be kept');
  }
}
