import { mkdir, readdir, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Touched while requests are answered: it tells until when a process that was killed had lived. */
const ALIVE = 'alive';

/**
 * One small file for each request that is being answered: its span as it was when it began. What is still there at
 * the next start belongs to requests that were under way when the process was killed.
 */
export class OpenRecords {
  private constructor(private readonly folder: string) {}

  static async open(folder: string): Promise<OpenRecords> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new OpenRecords(folder);
  }

  async write(spanId: string, request: Uint8Array): Promise<void> {
    await writeFile(this.path(spanId), request, { mode: 0o600 });
  }

  async remove(spanId: string): Promise<void> {
    await unlink(this.path(spanId));
  }

  /** Says that this process lives. */
  async beat(now: Date): Promise<void> {
    const path = join(this.folder, ALIVE);
    await utimes(path, now, now).catch(() => writeFile(path, '', { mode: 0o600 }));
  }

  /**
   * What an earlier process left, as OTLP requests that say so; files that can not be read are removed. To be called
   * before the first `beat`.
   */
  async leftovers(): Promise<{ spanId: string; request: Uint8Array | undefined }[]> {
    const alive = await stat(join(this.folder, ALIVE)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    const found = [];
    for (const name of (await readdir(this.folder)).filter((file) => file !== ALIVE).toSorted()) {
      const spanId = name.replace(/\.json$/, '');
      const path = join(this.folder, name);
      const request = asKilled(await readFile(path, 'utf8'), Math.max((await stat(path)).mtimeMs, alive));
      found.push({ spanId, request });
    }
    return found;
  }

  private path(spanId: string): string {
    return join(this.folder, `${spanId}.json`);
  }
}

interface OtlpRequest {
  resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
}
interface OtlpSpan {
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: object;
  attributes: { key: string; value: object }[];
}

/**
 * Ends the span of a request that nobody ended.
 * @param lastSeenMs when it was last known to be under way, in milliseconds since 1970
 * @returns undefined where the text is no such record
 */
export function asKilled(text: string, lastSeenMs: number): Uint8Array | undefined {
  try {
    const request = JSON.parse(text) as OtlpRequest;
    const span = request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
    const start = BigInt(span.startTimeUnixNano);
    const end = BigInt(Math.round(lastSeenMs)) * 1_000_000n;
    span.endTimeUnixNano = String(end > start ? end : start);
    span.status = { code: 2, message: 'the runtime was ended while it answered' };
    span.attributes = span.attributes.filter(({ key }) => key !== 'error.type');
    span.attributes.push({ key: 'error.type', value: { stringValue: 'process_killed' } });
    return Buffer.from(JSON.stringify(request));
  } catch {
    return undefined;
  }
}
