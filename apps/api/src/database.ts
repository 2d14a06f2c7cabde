import { isTransient } from '@vigil/store';

/** PostgreSQL is away or busy: the same request may succeed later. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  constructor(cause: unknown) {
    super('PostgreSQL does not answer at the moment.', { cause });
  }
}

/** Whether the database answered when it was last asked, for `/health/ready`. */
export class DatabaseState {
  constructor(private problem?: string) {}

  get reason(): string | undefined {
    return this.problem;
  }

  well(): void {
    this.problem = undefined;
  }

  /** @returns whether it was well before, so that an outage is logged once */
  ill(reason: string): boolean {
    const first = this.problem === undefined;
    this.problem = reason;
    return first;
  }
}

/** What a data source and a query runner have in common. */
export interface Sql {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/** Whether an error is a fault of ours, and not a database that is away or busy. */
export const isDefect = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError || !isTransient(error);

/**
 * Asks the database on behalf of somebody who waits for the answer.
 * @throws DatabaseUnavailable where asking later may help; every other error as it is
 */
export async function ask<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isDefect(error) ? error : new DatabaseUnavailable(error);
  }
}
