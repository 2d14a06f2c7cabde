import { ApiError } from '../errors.js';

/** Why an upstream gave no answer. Its message is for clients: it holds no address and no key. */
export class UpstreamFault extends Error {
  override readonly name = 'UpstreamFault';

  constructor(
    /**
     * `unreachable`: no connection; `broke-off`: the connection ended early; `stalled`: nothing came for too long;
     * `invalid`: what came is no answer; `refused`: it refuses this server, not the client; `busy`: it has too much to
     * do; `failed`: it says so itself; `rejected`: the client's own mistake.
     */
    readonly kind: 'unreachable' | 'broke-off' | 'stalled' | 'invalid' | 'refused' | 'busy' | 'failed' | 'rejected',
    message: string,
    readonly details: {
      /** What it answered. */
      status?: number;
      /** Seconds that it asked to be left alone. */
      retryAfter?: number;
      param?: string;
      code?: string;
      /** The connection had been used before and was closed meanwhile: no fault of the upstream's. */
      stale?: boolean;
      /** Answering had begun, so another try would be a second answer. */
      late?: boolean;
    } = {},
  ) {
    super(message);
  }

  /** Another try may succeed where this one did not. */
  get retryable(): boolean {
    return this.kind !== 'rejected' && this.details.late !== true;
  }

  /** Another upstream may have what this one has not. */
  get elsewhere(): boolean {
    return this.kind === 'rejected' && this.details.code === 'model_not_found';
  }

  /** The same upstream may well answer the next time. */
  get passing(): boolean {
    return this.kind !== 'rejected' && this.kind !== 'refused';
  }

  /** It says something of the upstream's health. */
  get counts(): boolean {
    return this.kind !== 'rejected' && this.kind !== 'busy' && this.details.stale !== true;
  }

  /** As the client is told. */
  toApiError(): ApiError {
    const { status, retryAfter, param, code } = this.details;
    const details = {
      ...(retryAfter !== undefined && { retryAfter: Math.ceil(retryAfter) }),
      ...(param !== undefined && { param }),
      cause: this,
    };
    if (this.kind === 'rejected')
      return new ApiError(status ?? 400, code ?? 'upstream_rejected', this.message, details);
    if (this.kind === 'busy') return new ApiError(status === 429 ? 429 : 503, 'upstream_busy', this.message, details);
    const type = `upstream_${this.kind.replace('-', '_')}`;
    return new ApiError(this.kind === 'stalled' || status === 504 ? 504 : 502, type, this.message, details);
  }
}

/** Statuses with which an upstream refuses this server: a wrong key, an empty account. */
const REFUSES_US = new Set([401, 402, 403, 407]);
const BUSY = new Set([429, 503, 529]);
/** Codes of the OpenAI API's errors that are few and known; any other would be a label that an upstream chose. */
const CODES = new Set(['context_length_exceeded', 'model_not_found', 'invalid_request', 'unsupported_parameter']);
const MESSAGE_MAX = 2_000;

export interface ErrorAnswer {
  status: number;
  body: string;
  retryAfter: string | undefined;
}

/**
 * What an answer other than 200 means.
 * @param secrets texts that must not be shown
 * @param now milliseconds since 1970
 */
export function faultOf(name: string, answer: ErrorAnswer, secrets: readonly string[], now: number): UpstreamFault {
  const { status } = answer;
  const said = readError(answer.body, secrets);
  const seconds = secondsOf(answer.retryAfter, now);
  const details = { status, ...(seconds !== undefined && { retryAfter: seconds }) };
  if (REFUSES_US.has(status))
    return new UpstreamFault(
      'refused',
      `The upstream "${name}" refuses this server (status ${status}). Who runs it must look at its key and account.`,
      details,
    );
  if (BUSY.has(status))
    return new UpstreamFault('busy', `The upstream "${name}" is busy${because(said.message)}`, details);
  if (status >= 400 && status < 500 && status !== 408 && status !== 425)
    return new UpstreamFault('rejected', said.message || `The upstream refused the request (status ${status}).`, {
      status,
      ...(said.param !== undefined && { param: said.param }),
      code: codeOf(status, said.code),
    });
  if (status >= 500 || status === 408 || status === 425)
    return new UpstreamFault(
      'failed',
      `The upstream "${name}" failed (status ${status})${because(said.message)}`,
      details,
    );
  return new UpstreamFault('invalid', `The upstream "${name}" answered status ${status}, which is no answer.`, details);
}

const because = (message: string): string => (message === '' ? '.' : `: ${message}`);

/** OpenAI's form, vLLM's older one, FastAPI's, Ollama's, or plain text. */
export function readError(
  body: string,
  secrets: readonly string[],
): { message: string; param: string | undefined; code: string | undefined } {
  let found: unknown;
  try {
    found = JSON.parse(body);
  } catch {
    // A page of a proxy before it says nothing to a client.
    const text = /^\s*</.test(body) ? '' : body;
    return { message: clean(text, secrets), param: undefined, code: undefined };
  }
  const top = isRecord(found) ? found : {};
  const error = isRecord(top.error) ? top.error : top;
  const message = [error.message, top.error, top.detail, top.message].find((text) => typeof text === 'string');
  return {
    message: clean(typeof message === 'string' ? message : '', secrets),
    param: typeof error.param === 'string' ? clean(error.param, secrets).slice(0, 200) : undefined,
    code: typeof error.code === 'string' ? error.code : undefined,
  };
}

function codeOf(status: number, given: string | undefined): string {
  if (given !== undefined && CODES.has(given)) return given;
  if (status === 404) return 'model_not_found';
  if (status === 413) return 'request_too_large';
  return 'invalid_request';
}

/** A text of an upstream's as it may be shown: without keys, without control characters, of bounded length. */
export function clean(text: string, secrets: readonly string[]): string {
  let safe = text.slice(0, MESSAGE_MAX * 4);
  for (const secret of secrets) safe = safe.replaceAll(secret, '[secret]');
  return safe
    .replace(/\b(?:sk|hf|gsk)[-_][\w*.-]{4,}/g, '[secret]')
    .replace(/\bBearer\s+\S+/gi, 'Bearer [secret]')
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MESSAGE_MAX)
    .toWellFormed()
    .trim();
}

/** `Retry-After`, seconds or a date, in seconds. */
export function secondsOf(header: string | undefined, now: number): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const plain = /^\d+(\.\d+)?$/.test(header.trim());
  // Date.parse makes a year of nearly any number.
  if (!plain && !/[a-z]{3}/i.test(header)) return undefined;
  const seconds = plain ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 86_400) : undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
