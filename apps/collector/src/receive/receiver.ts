import type { Logger } from '@vigil/service';
import type { RequestRow } from '@vigil/store';
import { scoreSpan } from '../score/score.js';
import { requestsAmong, toRequest } from './genai.js';
import { LabelBounds } from './labels.js';
import type { OtlpMetrics } from './otlp-metrics.js';
import { Recent } from './recent.js';
import type { RequestMetrics } from './request-metrics.js';
import type { Span } from './span.js';

/** Clocks differ; a span that ends later than this is a mistake. In seconds. */
const FUTURE_SECONDS = 3600;
/** Scoring a long text takes a while; between two spans others get their turn after so many milliseconds. */
const TURN_MS = 20;

export interface ReceiverOptions {
  /** Resolves once the rows are safe; rejects where they can't be taken. */
  write: (rows: readonly RequestRow[]) => Promise<void>;
  requests: RequestMetrics;
  otlp: OtlpMetrics;
  /** Older spans are refused, in seconds. */
  retention: number;
  modelLabelsMax: number;
  log: Logger;
  now?: () => Date;
}

/** What of an export was not taken. */
export interface Refusal {
  spans: number;
  /** A sentence; empty where all was taken. */
  message: string;
}

/** Takes the spans of one export in: checks them, makes rows of those that are requests, and sees them safe. */
export class Receiver {
  private readonly labels: LabelBounds;
  private readonly recent = new Recent();

  constructor(private readonly options: ReceiverOptions) {
    this.labels = new LabelBounds(options.modelLabelsMax);
  }

  /**
   * Resolves once everything that was taken is safe.
   * @throws what `write` throws: then nothing was taken
   */
  async accept(spans: readonly Span[]): Promise<Refusal> {
    const { write, requests, otlp } = this.options;
    const { good, refused } = this.check(spans);
    const rows = await this.toRows(good);
    const fresh = rows.filter((row) => this.recent.claim(nameOf(row)));
    try {
      // Repeated rows too: the store knows for certain what it has.
      await write(rows);
    } catch (error) {
      for (const row of fresh) this.recent.release(nameOf(row));
      throw error;
    }
    for (const row of fresh) requests.count(row);
    const rejected = [...refused.values()].reduce((a, b) => a + b, 0);
    otlp.spans({
      accepted: fresh.length,
      duplicate: rows.length - fresh.length,
      ignored: good.length - rows.length,
      rejected,
    });
    return { spans: rejected, message: refusalMessage(rejected, refused) };
  }

  private check(spans: readonly Span[]): { good: Span[]; refused: Map<string, number> } {
    const now = (this.options.now?.() ?? new Date()).getTime();
    const earliest = now - this.options.retention * 1000;
    const latest = now + FUTURE_SECONDS * 1000;
    const refused = new Map<string, number>();
    const good = spans.filter((span) => {
      const fault = faultOf(span, earliest, latest);
      if (fault !== undefined) refused.set(fault, (refused.get(fault) ?? 0) + 1);
      return fault === undefined;
    });
    return { good, refused };
  }

  private async toRows(spans: readonly Span[]): Promise<RequestRow[]> {
    const rows: RequestRow[] = [];
    let begin = performance.now();
    for (const { span, operation } of requestsAmong(spans)) {
      rows.push(
        toRequest(span, operation, { labels: (l, rejected) => this.labels.admit(l, rejected), score: scoreSpan }),
      );
      if (performance.now() - begin < TURN_MS) continue;
      await new Promise(setImmediate);
      begin = performance.now();
    }
    return rows;
  }
}

const nameOf = (row: RequestRow): string => row.traceId + row.spanId;

/** Why a span can't be taken; `undefined` where it can. Times in milliseconds. */
export function faultOf(span: Span, earliest: number, latest: number): string | undefined {
  if (!/^[0-9a-f]{32}$/.test(span.traceId) || /^0*$/.test(span.traceId)) return 'a bad trace id';
  if (!/^[0-9a-f]{16}$/.test(span.spanId) || /^0*$/.test(span.spanId)) return 'a bad span id';
  if (!(Number.isFinite(span.start) && Number.isFinite(span.end))) return 'a time that is no number';
  if (span.end < span.start) return 'an end before its start';
  if (span.start / 1e6 < earliest) return 'a time older than the retention';
  if (span.end / 1e6 > latest) return 'an end in the future';
  return undefined;
}

function refusalMessage(total: number, refused: ReadonlyMap<string, number>): string {
  if (total === 0) return '';
  const reasons = [...refused].map(([fault, n]) => `${n} with ${fault}`);
  return `${total} ${total === 1 ? 'span was' : 'spans were'} refused: ${reasons.join(', ')}.`;
}
