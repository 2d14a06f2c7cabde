import type { Outcome } from '@vigil/store';
import { STATUS_ERROR } from './span.js';

/** OpenTelemetry's word for an error of no known type. */
export const OTHER_ERROR = '_OTHER';

const CANCELLED = new Set(['client_disconnected', 'cancelled', 'canceled', 'request_cancelled']);
/** Mistakes of the client, by `error.type`, where no status says so. */
const MISTAKES = new Set([
  'invalid_request',
  'invalid_request_error',
  'model_not_found',
  'context_length_exceeded',
  'authentication_error',
  'permission_denied',
  'not_found',
]);

export interface Ending {
  outcome: Outcome;
  statusCode: number | null;
  /** `null` exactly where the outcome is `ok`. */
  errorType: string | null;
}

/**
 * What became of a request. The status decides: 499 is a client that hung up, 429 and 500 up are the server's, other
 * 4xx the client's. `error.type` may itself be a status (OpenTelemetry's HTTP conventions), and with a good status or
 * none it means failure: a stream that broke was begun with 200.
 *
 * @param spanStatus number of the span's status
 */
export function endingOf(status: number | null, errorType: string | null, spanStatus: number): Ending {
  const said = status ?? (errorType !== null && /^[1-5]\d\d$/.test(errorType) ? Number(errorType) : null);
  const outcome = outcomeOf(said, errorType, spanStatus);
  if (outcome === 'ok') return { outcome, statusCode: said, errorType: null };
  return {
    outcome,
    statusCode: said,
    errorType: errorType ?? (said !== null && said >= 400 ? String(said) : OTHER_ERROR),
  };
}

function outcomeOf(status: number | null, errorType: string | null, spanStatus: number): Outcome {
  if (status === 499 || (errorType !== null && CANCELLED.has(errorType))) return 'cancellation';
  if (status !== null && (status >= 500 || status === 429)) return 'error';
  if (status !== null && status >= 400) return 'rejection';
  if (errorType === null) return spanStatus === STATUS_ERROR ? 'error' : 'ok';
  return status === null && MISTAKES.has(errorType) ? 'rejection' : 'error';
}
