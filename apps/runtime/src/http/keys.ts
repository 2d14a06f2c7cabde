import { createHash, timingSafeEqual } from 'node:crypto';
import { UserError } from '@vigil/service';
import { ApiError } from '../errors.js';

export interface KeyLimits {
  /** Requests of one key that are answered or wait at once; 0 is no bound. */
  concurrency: number;
  /** Requests of one key in any minute; 0 is no bound. */
  perMinute: number;
}

interface Key {
  digest: Buffer;
  open: number;
  /** Milliseconds of the clock that is handed in. */
  began: number[];
}

const MINUTE_MS = 60_000;
const digestOf = (key: string): Buffer => createHash('sha256').update(key, 'utf8').digest();

/** Who may ask, and how much at once. Keys are kept as digests only, and compared in constant time. */
export class ApiKeys {
  private readonly keys: Key[];

  /** @param keys as in API_KEYS, separated by commas; none is open to all */
  constructor(
    keys: string,
    private readonly limits: KeyLimits,
  ) {
    const given = keys
      .split(',')
      .map((key) => key.trim())
      .filter((key) => key !== '');
    if (given.some((key) => key.length < 8))
      throw new UserError('API_KEYS is wrong: each key must have at least 8 characters.');
    // Others can not be sent in a header, or not in one way only.
    if (given.some((key) => !/^[\x21-\x7e]+$/.test(key)))
      throw new UserError('API_KEYS is wrong: keys are of letters, digits and signs of ASCII, without spaces.');
    this.keys = given.map((key) => ({ digest: digestOf(key), open: 0, began: [] }));
  }

  /**
   * Lets a request in.
   * @param authorization the header
   * @param now milliseconds
   * @returns whose it is, and what to call once it is over; undefined where no keys are set
   * @throws ApiError 401 without a right key, 429 beyond its limits
   */
  admit(authorization: string | undefined, now: number): { owner: number; done: () => void } | undefined {
    if (this.keys.length === 0) return undefined;
    const owner = this.find(authorization);
    const key = this.keys[owner]!;
    const { concurrency, perMinute } = this.limits;
    key.began = key.began.filter((at) => now - at < MINUTE_MS);
    if (perMinute > 0 && key.began.length >= perMinute)
      throw tooMany(
        `This key may ask ${perMinute} times a minute.`,
        Math.max(1, Math.ceil((MINUTE_MS - (now - key.began[0]!)) / 1000)),
      );
    if (concurrency > 0 && key.open >= concurrency)
      throw tooMany(`This key may have ${concurrency} requests open at once.`, 1);
    key.began.push(now);
    key.open++;
    let open = true;
    const done = () => {
      if (open) key.open--;
      open = false;
    };
    return { owner, done };
  }

  /** Whether the header holds a right key; always so where none are set. @throws ApiError 401 */
  check(authorization: string | undefined): void {
    if (this.keys.length > 0) this.find(authorization);
  }

  private find(authorization: string | undefined): number {
    const digest = digestOf(/^Bearer\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1] ?? '');
    let found = -1;
    // All of them, so that the time tells nothing.
    this.keys.forEach((key, i) => {
      if (timingSafeEqual(key.digest, digest)) found = i;
    });
    if (found < 0)
      throw new ApiError(401, 'invalid_api_key', 'A right API key is wanted in the header "Authorization: Bearer …".');
    return found;
  }
}

const tooMany = (message: string, retryAfter: number): ApiError =>
  new ApiError(429, 'rate_limit_exceeded', `${message} Try again later.`, { retryAfter });
