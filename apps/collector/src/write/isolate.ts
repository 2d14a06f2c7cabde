/**
 * Whether an error is the fault of a row: a value that a column can't hold, a broken constraint, a limit passed. Only
 * then is a row given up. A missing table or permission is a fault of the database and may be mended.
 */
export function isRowsFault(error: unknown): boolean {
  return /^(22|23|54)...$/.test(String((error as { code?: unknown }).code ?? ''));
}

export interface Isolated<R> {
  /** Rows that were new to the store. */
  written: number;
  refused: { row: R; error: unknown }[];
}

/**
 * Writes rows in bulk. Where one of them can't be written, halves the batch until it stands alone, so that one bad row
 * costs a few more queries and never the others.
 *
 * @throws the writer's error where it is no fault of a row
 */
export async function writeIsolating<R>(
  rows: readonly R[],
  write: (rows: readonly R[]) => Promise<number>,
): Promise<Isolated<R>> {
  if (rows.length === 0) return { written: 0, refused: [] };
  try {
    return { written: await write(rows), refused: [] };
  } catch (error) {
    if (!isRowsFault(error)) throw error;
    if (rows.length === 1) return { written: 0, refused: [{ row: rows[0]!, error }] };
  }
  const middle = Math.ceil(rows.length / 2);
  const left = await writeIsolating(rows.slice(0, middle), write);
  const right = await writeIsolating(rows.slice(middle), write);
  return { written: left.written + right.written, refused: [...left.refused, ...right.refused] };
}
