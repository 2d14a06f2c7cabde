/** What a benchmark prints and writes down: cells as people read them, with their units in the column's title. */
export interface Table {
  caption: string;
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

export interface BenchResult {
  tables: readonly Table[];
  /** Sentences on how it was measured, and what the figures do not say. */
  notes: readonly string[];
}

export interface Bench {
  /** One line. */
  title: string;
  /** Where it is written down, from the repository's root. Unless said: docs/BENCHMARKS.md. */
  page?: string;
  /**
   * @param say tells what is being done
   * @param size how much of it, where it can be done in part
   * @param save writes down what there is so far, where all of it takes long
   * @throws UserError where this machine lacks what it takes
   */
  run(say: (line: string) => void, size?: number, save?: (result: BenchResult) => Promise<void>): Promise<BenchResult>;
}
