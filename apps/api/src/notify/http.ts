import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { AddressRefused, checkedLookup, isAllowed, literalAddress, type Reach } from './address.js';
import type { Attempt } from './decide.js';

/** What is read of an answer, in bytes: Slack repeats the message in its. */
const ANSWER_BYTES = 256 * 1024;

export interface SendOptions {
  timeoutSeconds: number;
  /** Gives up at once, when the process stops. */
  signal: AbortSignal;
}

/** An address with what may be behind its name. Both are secrets: whoever knows the address can post. */
export interface Target {
  url: URL;
  reach: Reach;
}

export interface Answer {
  kind: 'answer';
  status: number;
  retryAfter: string | null;
  /** The begin of the body, 256 KiB at the most. */
  text: string;
}

export type Failure = Extract<Attempt, { kind: 'failed' }>;

/**
 * Posts once. Never throws, follows no redirect, connects to no address that is not allowed, reads no more than it needs,
 * and tells nothing of the address but what went wrong.
 */
export async function post(
  target: Target,
  headers: Readonly<Record<string, string>>,
  body: string,
  options: SendOptions,
): Promise<Answer | Failure> {
  const timeout = AbortSignal.timeout(options.timeoutSeconds * 1000);
  try {
    return await exchange(target, headers, body, AbortSignal.any([timeout, options.signal]));
  } catch (error) {
    if (timeout.aborted) return { kind: 'failed', reason: `No answer within ${options.timeoutSeconds} s.` };
    return { kind: 'failed', reason: describeFailure(error) };
  }
}

export const REFUSED =
  "The receiver's address is a private one, which is not allowed. Correct it, or set NOTIFY_ALLOW_PRIVATE.";

/** A failed connection in words, without the address. */
export function describeFailure(error: unknown): string {
  const code = errorCode(error);
  return code === 'ADDRESS_REFUSED' ? REFUSED : `No connection (${code}).`;
}

function exchange(
  { url, reach }: Target,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((done, fail) => {
    const literal = literalAddress(url.hostname);
    if (literal !== undefined && !isAllowed(literal, reach)) throw new AddressRefused();
    const { address, authorization } = withoutCredentials(url);
    const bytes = Buffer.from(body);
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(address, {
      method: 'POST',
      agent: false,
      lookup: checkedLookup(reach),
      signal,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'content-length': bytes.length,
        'user-agent': 'vigil',
        ...(authorization && { authorization }),
        ...headers,
      },
    });
    request.on('error', fail);
    request.on('response', (response) => done(readAnswer(response)));
    request.end(bytes);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, ANSWER_BYTES - bytes));
      bytes += chunk.length;
      if (bytes >= ANSWER_BYTES) break;
    }
  } catch {
    // The status is what counts: a body that breaks off, or takes too long, does not undo it.
  }
  response.destroy();
  const { 'retry-after': retryAfter } = response.headers;
  const text = Buffer.concat(chunks).toString('utf8');
  return { kind: 'answer', status: response.statusCode ?? 0, retryAfter: retryAfter ?? null, text };
}

function withoutCredentials(url: URL): { address: URL; authorization?: string } {
  if (url.username === '' && url.password === '') return { address: url };
  const address = new URL(url);
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  address.username = '';
  address.password = '';
  return { address, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function errorCode(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const inner = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
    const { code } = inner as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z0-9_]+$/.test(code)) return code;
  }
  return 'cut off';
}

/** An answer as an attempt, where the status says it all. */
export function attemptOf(answer: Answer | Failure): Attempt {
  if (answer.kind === 'failed') return answer;
  const { status, retryAfter, text } = answer;
  return { kind: 'answered', status, retryAfter, code: status >= 200 && status < 300 ? null : wordOf(text) };
}

/**
 * Slack says what is wrong in one word, such as `invalid_payload`. Anything else is left out: an error page may well
 * repeat the address that was asked for.
 */
export function wordOf(text: string): string | null {
  const word = text.length <= 200 ? text.trim() : '';
  return /^[a-z]+(_[a-z]+)*$/.test(word) && word.length <= 60 ? word : null;
}

/** The fields of a JSON answer; none where it is something else. */
export function fieldsOf(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
