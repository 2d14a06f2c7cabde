/**
 * An error whose message is a whole sentence for the person who runs Vigil: what is wrong and what to do.
 * It is shown without a stack.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** What to print for any thrown value: a sentence for a `UserError`, the stack for a defect. */
export function describeError(error: unknown): string {
  if (error instanceof UserError) return error.message;
  if (error instanceof Error) return error.stack ?? error.message;
  return String(error);
}

/** The short form of any thrown value, for logs and health answers. */
export function errorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(errorMessage).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Turns the errors of `listen()` into sentences that name the address and the variable to change. */
export function listenError(error: unknown, host: string, port: number, variable: string): Error {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'EADDRINUSE')
    return new UserError(
      `Port ${port} on ${host} is taken. Stop the program that listens there, or set ${variable} to a free port.`,
    );
  if (code === 'EACCES')
    return new UserError(
      `Port ${port} on ${host} may not be opened by this user. Set ${variable} to a port above 1023.`,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new UserError(
      `The address ${host} does not belong to this machine. Set HOST to one that does, such as 127.0.0.1.`,
    );
  return error instanceof Error ? error : new Error(String(error));
}
