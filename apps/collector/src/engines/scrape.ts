import { errorMessage } from '@vigil/service';
import type { EngineTarget } from './config.js';
import { readEngine, type EngineReading } from './read.js';

export const FAILURES = ['unreachable', 'timeout', 'status', 'too_large', 'unrecognised'] as const;
export type FailureReason = (typeof FAILURES)[number];

export type Scrape =
  | { ok: true; reading: EngineReading }
  /** `message`: a sentence without the address. */
  | { ok: false; reason: FailureReason; message: string };

/** vLLM with a hundred adapters says some MiB. */
const MAX_BYTES = 16 * 2 ** 20;

const failed = (reason: FailureReason, message: string): Scrape => ({ ok: false, reason, message });

/** Asks an engine for its metrics. Never throws. */
export async function scrape(target: EngineTarget, timeoutSeconds: number, signal: AbortSignal): Promise<Scrape> {
  const deadline = AbortSignal.timeout(Math.min(timeoutSeconds * 1000, 2 ** 31 - 1));
  try {
    const response = await fetch(target.url, {
      headers: {
        accept: 'text/plain;version=0.0.4;q=1,*/*;q=0.1',
        ...(target.authorization !== undefined && { authorization: target.authorization }),
      },
      redirect: 'manual',
      signal: AbortSignal.any([signal, deadline]),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      return failed('status', `it answers status ${response.status}`);
    }
    const text = await bounded(response);
    if (text === undefined) return failed('too_large', `it answers more than ${MAX_BYTES} bytes`);
    const reading = readEngine(text);
    return reading
      ? { ok: true, reading }
      : failed('unrecognised', "it answers no metric of vLLM's, SGLang's or llama-server's");
  } catch (error) {
    if (deadline.aborted) return failed('timeout', `no whole answer within ${timeoutSeconds} s`);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = (cause as NodeJS.ErrnoException).code;
    return failed('unreachable', code ?? errorMessage(cause));
  }
}

async function bounded(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
