import { describe, expect, it } from 'vitest';
import { backOff, judge, parseRetryAfter, type Attempt, type Verdict } from './decide.js';

const NOW = new Date('2026-03-01T10:00:00Z');
const answered = (status: number, retryAfter: string | null = null, code: string | null = null): Attempt => ({
  kind: 'answered',
  status,
  retryAfter,
  code,
});

describe('what follows from an attempt', () => {
  it.each<[string, Attempt, Verdict['result'], number | undefined]>([
    ['200', answered(200), 'sent', undefined],
    ['204', answered(204), 'sent', undefined],
    ['500', answered(500), 'retry', 1],
    ['503 with Retry-After', answered(503, '30'), 'retry', 30],
    ['429 with Retry-After', answered(429, '7'), 'retry', 7],
    ['429 with a date', answered(429, 'Sun, 01 Mar 2026 10:01:00 GMT'), 'retry', 60],
    ['429 with a date in the past', answered(429, 'Sun, 01 Mar 2026 09:00:00 GMT'), 'retry', 1],
    ['429 with nonsense', answered(429, 'later'), 'retry', 1],
    ['429 that asks for a week', answered(429, '604800'), 'retry', 3600],
    ['429 that asks for nothing', answered(429, '0'), 'retry', 1],
    ['408', answered(408), 'retry', 1],
    ['425', answered(425), 'retry', 1],
    ['no answer', { kind: 'failed', reason: 'x' }, 'retry', 1],
    ['302', answered(302), 'dead', undefined],
    ['400', answered(400, null, 'invalid_payload'), 'dead', undefined],
    ['404 with Retry-After', answered(404, '5'), 'dead', undefined],
    ['410', answered(410), 'dead', undefined],
    ['199, which is no answer at all', answered(199), 'dead', undefined],
  ])('%s', (_, attempt, result, delaySeconds) => {
    const verdict = judge(attempt, 1, NOW, 1);
    expect(verdict.result).toBe(result);
    if (verdict.result === 'retry') expect(verdict.delaySeconds).toBe(delaySeconds);
  });

  it('is said with the status and the receiver’s word for it', () => {
    expect(judge(answered(400, null, 'invalid_payload'), 1, NOW, 0)).toMatchObject({
      reason: expect.stringContaining('The receiver answered 400 (invalid_payload).'),
    });
  });
});

describe('pauses', () => {
  it('double up to five minutes, and differ by a half', () => {
    expect([1, 2, 3, 9, 10, 1000].map((attempts) => backOff(attempts, 1))).toEqual([1, 2, 4, 256, 300, 300]);
    expect([1, 2, 3].map((attempts) => backOff(attempts, 0))).toEqual([0.5, 1, 2]);
  });

  it('are read as seconds or as a date', () => {
    expect(['120', ' 3 ', '-1', '', 'soon'].map((text) => parseRetryAfter(text, NOW))).toEqual([120, 3, 0, null, null]);
  });
});
