import type { Attempt } from './decide.js';

/** What is read of an answer, in bytes: enough for Slack's error codes. */
const ANSWER_BYTES = 1024;

export interface SendOptions {
  timeoutSeconds: number;
  /** Gives up at once, when the process stops. */
  signal: AbortSignal;
}

/** Posts JSON once. Never throws, follows no redirect, and tells nothing of the address but what went wrong. */
export async function send(url: URL, body: string, key: string, options: SendOptions): Promise<Attempt> {
  const { address, authorization } = withoutCredentials(url);
  const timeout = AbortSignal.timeout(options.timeoutSeconds * 1000);
  try {
    const response = await fetch(address, {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'vigil',
        'idempotency-key': key,
        ...(authorization && { authorization }),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([timeout, options.signal]),
    });
    const code = await readCode(response);
    return { kind: 'answered', status: response.status, retryAfter: response.headers.get('retry-after'), code };
  } catch (error) {
    if (timeout.aborted) return { kind: 'failed', reason: `No answer within ${options.timeoutSeconds} s.` };
    return { kind: 'failed', reason: `No connection (${errorCode(error)}).` };
  }
}

/** `fetch` refuses addresses with a user and password in them, and its error would print them. */
function withoutCredentials(url: URL): { address: URL; authorization?: string } {
  if (url.username === '' && url.password === '') return { address: url };
  const address = new URL(url);
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  address.username = '';
  address.password = '';
  return { address, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/**
 * Slack says what is wrong in one word, such as `invalid_payload`. Anything else is left out: an error page may well
 * repeat the address that was asked for. The rest of the answer is not read.
 */
async function readCode(response: Response): Promise<string | null> {
  if (!response.body) return null;
  const reader = response.body.getReader();
  try {
    const { value } = await reader.read();
    const text = value && value.byteLength <= ANSWER_BYTES ? new TextDecoder().decode(value).trim() : '';
    return !response.ok && /^[a-z]+(_[a-z]+)*$/.test(text) && text.length <= 60 ? text : null;
  } catch {
    return null;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function errorCode(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const inner = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
    const { code } = inner as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z0-9_]+$/.test(code)) return code;
  }
  return 'cut off';
}
