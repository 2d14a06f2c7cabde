/** What became of one attempt to deliver. */
export type Attempt =
  | { kind: 'answered'; status: number; retryAfter: string | null; code: string | null; reference?: object }
  /** A service that answers 200 and says in the body that it did not take it: its own word for why. */
  | { kind: 'refused'; code: string; again: false | { afterSeconds: number } }
  /** No answer: refused, cut off, timed out. A sentence without the address. */
  | { kind: 'failed'; reason: string };

export type Verdict =
  /** `reference` is what the receiver calls the message, for those that follow it. */
  | { result: 'sent'; reference?: object }
  /** `pause` says that the receiver wants to be left alone altogether. */
  | { result: 'retry'; delaySeconds: number; reason: string; pause: boolean }
  | { result: 'dead'; reason: string };

const FIRST_DELAY_SECONDS = 1;
const LONGEST_DELAY_SECONDS = 300;
const LONGEST_RETRY_AFTER_SECONDS = 3600;
const CORRECT = "Correct the channel's address or its receiver.";

/**
 * What to do after an attempt. Pure.
 * @param attempts how many there were, this one included
 * @param random from 0 to 1, so that many that failed together do not come back together
 */
export function judge(attempt: Attempt, attempts: number, now: Date, random: number): Verdict {
  if (attempt.kind === 'failed')
    return { result: 'retry', delaySeconds: backOff(attempts, random), reason: attempt.reason, pause: false };
  if (attempt.kind === 'refused') {
    const reason = `The receiver did not take it (${attempt.code}).`;
    if (!attempt.again) return { result: 'dead', reason: `${reason} ${CORRECT}` };
    const { afterSeconds } = attempt.again;
    const delaySeconds = Math.max(afterSeconds, backOff(attempts, random));
    return { result: 'retry', delaySeconds, reason, pause: afterSeconds > 0 };
  }
  const { status, retryAfter, code } = attempt;
  if (status >= 200 && status < 300)
    return { result: 'sent', ...(attempt.reference && { reference: attempt.reference }) };
  const reason = `The receiver answered ${status}${code ? ` (${code})` : ''}`;
  if (status >= 500 || status === 429 || status === 408 || status === 425) {
    const asked = retryAfter === null ? null : parseRetryAfter(retryAfter, now);
    const delaySeconds = Math.max(asked ?? 0, backOff(attempts, random));
    return { result: 'retry', delaySeconds, reason: `${reason}.`, pause: status === 429 };
  }
  const why = status >= 300 && status < 400 ? ': a redirect, which is not followed' : '';
  return { result: 'dead', reason: `${reason}${why}. ${CORRECT}` };
}

/** 1 s doubling to 5 minutes, of which a random half is taken off. */
export function backOff(attempts: number, random: number): number {
  const full = Math.min(FIRST_DELAY_SECONDS * 2 ** Math.min(attempts - 1, 30), LONGEST_DELAY_SECONDS);
  return full * (0.5 + random / 2);
}

/** Seconds or a date (RFC 9110, 10.2.3), as seconds from now, an hour at the most; null where it is neither. */
export function parseRetryAfter(text: string, now: Date): number | null {
  const trimmed = text.trim();
  const seconds = /^\d+$/.test(trimmed) ? Number(trimmed) : (Date.parse(trimmed) - now.getTime()) / 1000;
  if (Number.isNaN(seconds)) return null;
  return Math.min(Math.max(seconds, 0), LONGEST_RETRY_AFTER_SECONDS);
}
