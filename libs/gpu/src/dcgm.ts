import { errorMessage, withoutSecrets } from '@vigil/service';
import { readDcgmMetrics, type DcgmResult } from './dcgm-read.js';
import { oneLine } from './quantity.js';
import type { GpuEvent, GpuFailed, GpuFailureKind, GpuReading, GpuSample, GpuSource } from './types.js';
import { xidEvent } from './xid.js';

const NAME = 'dcgm';
/** Some hundred fields of 16 GPUs in seven instances each are a quarter of it. */
const MAX_BYTES = 8 * 2 ** 20;

export interface DcgmOptions {
  /** The exporter's `/metrics`; user and password in it are sent as such. */
  url: string;
  /** Deadline of one reading, in seconds. */
  timeoutSeconds: number;
  now?: () => Date;
}

class ReadFailure extends Error {
  constructor(
    readonly kind: GpuFailureKind,
    message: string,
  ) {
    super(message);
  }
}

/** Reads GPUs from a dcgm-exporter that a site already runs. */
export class DcgmSource implements GpuSource {
  readonly name = NAME;
  private readonly url: URL;
  private readonly headers: Record<string, string>;
  private readonly closing = new AbortController();
  private inFlight: Promise<GpuReading> | undefined;
  /** The XID that each GPU told last. The exporter goes on telling it: an event is a change only. */
  private readonly xids = new Map<string, number>();

  constructor(private readonly options: DcgmOptions) {
    this.url = new URL(options.url);
    const { username, password } = this.url;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.headers = username === '' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
    this.url.username = this.url.password = '';
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
  }

  private async readOnce(signal?: AbortSignal): Promise<GpuReading> {
    const stop = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    const where = `the dcgm-exporter at ${withoutSecrets(this.url.href)}`;
    const failed = (kind: GpuFailureKind, reason: string): GpuFailed => ({
      state: 'failed',
      source: NAME,
      kind,
      reason: `${where}: ${reason}`,
    });
    if (stop.aborted) return failed('aborted', 'the reading was called off');
    const deadline = AbortSignal.timeout(Math.min(this.options.timeoutSeconds * 1000, 2 ** 31 - 1));
    let result: DcgmResult;
    const time = (): Date => this.options.now?.() ?? new Date();
    try {
      result = readDcgmMetrics(await this.fetch(AbortSignal.any([stop, deadline])), { time: time(), source: NAME });
    } catch (error) {
      if (stop.aborted) return failed('aborted', 'the reading was called off');
      if (deadline.aborted) return failed('timeout', `no answer within ${this.options.timeoutSeconds} s`);
      if (error instanceof ReadFailure) return failed(error.kind, error.message);
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      return failed('unreachable', oneLine(errorMessage(cause)));
    }
    if (!result.ok) return failed(result.kind, result.reason);
    const { samples, notes, xids } = result;
    return { state: 'up', source: NAME, samples, notes, events: this.newXids(samples, xids) };
  }

  private async fetch(signal: AbortSignal): Promise<string> {
    // Asked for as plain text: OpenMetrics renames counters.
    const headers = { ...this.headers, accept: 'text/plain;version=0.0.4' };
    const response = await fetch(this.url, { signal, headers, redirect: 'error' });
    if (!response.ok) {
      await response.body?.cancel();
      throw new ReadFailure('unreachable', `it answers with status ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new ReadFailure('too-large', `it serves more than ${MAX_BYTES / 2 ** 20} MiB`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  /** A GPU's first reading tells what happened before we looked; one that happens twice in a row cannot be seen. */
  private newXids(samples: readonly GpuSample[], xids: ReadonlyMap<string, number>): GpuEvent[] {
    const events: GpuEvent[] = [];
    for (const { gpu, uuid, time } of samples) {
      const key = `${uuid ?? ''} ${gpu}`;
      const before = this.xids.get(key);
      const code = xids.get(gpu) ?? 0;
      this.xids.set(key, code);
      if (before === undefined || before === code || code === 0) continue;
      events.push(xidEvent(code, { time, gpu, uuid, replay: false, source: NAME }));
    }
    return events;
  }
}
