import type { DataSource, QueryRunner } from 'typeorm';

/** Work in one transaction on one connection, undone as a whole when it throws. */
export async function transaction<T>(store: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const runner = store.createQueryRunner();
  await runner.connect();
  try {
    await runner.startTransaction();
    // Should this process hang in between, PostgreSQL ends the transaction, and the lock that it holds.
    await runner.query(`SET LOCAL idle_in_transaction_session_timeout = '60s'`);
    const result = await work(runner);
    await runner.commitTransaction();
    return result;
  } catch (error) {
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  } finally {
    await runner.release();
  }
}
