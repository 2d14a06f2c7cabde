import { errorMessage } from '@vigil/service';
import type { Check, Context, Finding, Row } from './types.js';

export interface RunOptions {
  /** Seconds that one check may take. */
  perCheckSeconds: number;
  /** Seconds that all may take together. */
  totalSeconds: number;
  /** Told of each check that takes a while, when it begins. */
  progress?: (title: string) => void;
}

/**
 * Runs the checks, those that load the machine one after the other, the others beside them. Every check gives one row,
 * in the order of the list: one that throws or does not end gives a row that says so.
 */
export async function runChecks(checks: readonly Check[], context: Context, options: RunOptions): Promise<Row[]> {
  const end = performance.now() + options.totalSeconds * 1000;
  const one = async (check: Check): Promise<Row> => {
    const seconds = Math.max(Math.min(options.perCheckSeconds, (end - performance.now()) / 1000), 0);
    const { id, title } = check;
    return { id, title, ...(await attempt(check, context, seconds)) };
  };
  const inTurn = (async () => {
    const rows: Row[] = [];
    for (const check of checks.filter((c) => c.heavy)) {
      options.progress?.(check.title);
      rows.push(await one(check));
    }
    return rows;
  })();
  const light = Promise.all(checks.filter((c) => !c.heavy).map(one));
  const rows = [...(await light), ...(await inTurn)];
  return checks.map((check) => rows.find((row) => row.id === check.id)!);
}

async function attempt(check: Check, context: Context, seconds: number): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    const reason = `It did not end within ${seconds.toFixed(0)} s, and was left alone.`;
    timer = setTimeout(() => resolve({ status: 'skip', measured: null, reason }), seconds * 1000);
  });
  try {
    return await Promise.race([Promise.resolve().then(() => check.run(context)), late]);
  } catch (error) {
    return { status: 'skip', measured: null, reason: `It could not be found out: ${errorMessage(error)}.` };
  } finally {
    clearTimeout(timer);
  }
}
