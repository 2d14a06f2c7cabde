import { describe, expect, it } from 'vitest';
import { ApiKeys } from './keys.js';

const refusal = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
};
const bearer = (key: string) => `Bearer ${key}`;

describe('keys', () => {
  const keys = () => new ApiKeys('first-key-1, second-key-2', { concurrency: 2, perMinute: 3 });

  it('let everybody in where there are none', () => {
    expect(new ApiKeys('', { concurrency: 1, perMinute: 1 }).admit(undefined, 0)).toBeUndefined();
  });

  it.each([undefined, '', 'first-key-1', 'Bearer', bearer('first-key-'), bearer('FIRST-KEY-1'), 'Basic first-key-1'])(
    'refuse %j',
    (header) => {
      expect(refusal(() => keys().admit(header, 0))).toMatchObject({ status: 401, errorType: 'invalid_api_key' });
      expect(refusal(() => keys().check(header))).toMatchObject({ status: 401 });
    },
  );

  it('tell apart whose a request is', () => {
    expect(keys().admit(bearer('first-key-1'), 0)?.owner).toBe(0);
    expect(keys().admit('bearer  second-key-2 ', 0)?.owner).toBe(1);
  });

  it('bound how many requests of one are open', () => {
    const both = keys();
    const first = both.admit(bearer('first-key-1'), 0)!;
    both.admit(bearer('first-key-1'), 0);
    const third = refusal(() => both.admit(bearer('first-key-1'), 0));
    expect(third).toMatchObject({ status: 429, errorType: 'rate_limit_exceeded', details: { retryAfter: 1 } });
    expect(both.admit(bearer('second-key-2'), 0)?.owner).toBe(1);
    first.done();
    first.done();
    both.admit(bearer('first-key-1'), 0);
    expect(refusal(() => both.admit(bearer('first-key-1'), 0))).toMatchObject({ status: 429 });
  });

  it('bound how many come in a minute, and say when to come again', () => {
    const both = keys();
    for (const at of [0, 10_000, 20_000]) both.admit(bearer('first-key-1'), at)!.done();
    const fourth = refusal(() => both.admit(bearer('first-key-1'), 30_000));
    expect(fourth).toMatchObject({ status: 429, details: { retryAfter: 30 } });
    expect(both.admit(bearer('first-key-1'), 60_001)?.owner).toBe(0);
  });

  it('must be long enough to be none that is guessed', () => {
    expect(() => new ApiKeys('short', { concurrency: 0, perMinute: 0 })).toThrow('at least 8 characters');
  });

  it.each(['two words', 'schlüssel'])('can not be %j, which no client could send', (key) => {
    expect(() => new ApiKeys(key, { concurrency: 0, perMinute: 0 })).toThrow('without spaces');
  });
});
