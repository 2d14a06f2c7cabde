/**
 * A refusal or failure that the client is told in OpenAI's form. `errorType` is the span's `error.type`: one of a few
 * words, never a text that a client chose.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly errorType: string,
    message: string,
    readonly details: {
      /** The parameter at fault, such as `messages[0].content`. */
      param?: string;
      /** Seconds after which to try again. */
      retryAfter?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
  }

  /** The body of the answer, or of the event within a stream. */
  body(): { error: { message: string; type: string; param: string | null; code: string } } {
    const type =
      this.status === 429 ? 'rate_limit_error' : this.status >= 500 ? 'server_error' : 'invalid_request_error';
    return { error: { message: this.message, type, param: this.details.param ?? null, code: this.errorType } };
  }
}

export const invalidRequest = (message: string, param?: string): ApiError =>
  new ApiError(400, 'invalid_request', message, param === undefined ? {} : { param });

/** @param seconds that an answer may take */
export const deadlineExceeded = (seconds: number): ApiError =>
  new ApiError(504, 'deadline_exceeded', `The answer took longer than the ${seconds} s that it may take here.`);
