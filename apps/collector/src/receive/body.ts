import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { MalformedError, TooLargeError } from './span.js';

const inflate = promisify(gunzip);

/** The body is coded in a way that is not taken. Answered 415. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError';
}

/**
 * Undoes a body's `Content-Encoding`. Inflating ends at the limit, so that a bomb costs no more than an honest body.
 *
 * @param limit bytes of the inflated body
 * @throws EncodingError, TooLargeError, MalformedError
 */
export async function decompress(body: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  switch (encoding?.trim().toLowerCase() || 'identity') {
    case 'identity':
      return body;
    case 'gzip':
      try {
        return await inflate(body, { maxOutputLength: limit });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
          throw new TooLargeError(`The body inflates to more than ${limit} bytes.`);
        throw new MalformedError('The body is not gzip, although Content-Encoding says so.', { cause: error });
      }
    default:
      throw new EncodingError(`Content-Encoding "${encoding!.slice(0, 50)}" is not taken. Send gzip, or none.`);
  }
}
