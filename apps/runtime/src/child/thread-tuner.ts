/** How much the newest batch counts in a mean. */
const NEWEST = 0.3;
/** What is not used is thought a little better of with every batch, until it is tried again. */
const FORGIVEN = 0.998;

interface Bucket {
  /** Mean seconds a token, in the order of the counts; undefined until tried. */
  means: (number | undefined)[];
  /** Which one computed the last batch. */
  last: number | undefined;
}

/** What is worth trying: all, and half of them, so that a trial takes twice as long at most. */
export const countsOf = (threads: number): [number, ...number[]] =>
  threads > 1 ? [threads, Math.ceil(threads / 2)] : [1];

/**
 * Chooses how many threads compute a batch, by how long batches of its size took. Threads of a batch wait for one
 * another some hundred times, spinning: on cores of their own two are nearly twice as fast as one, but where something
 * else wants a core they can be slower.
 */
export class ThreadTuner {
  private readonly buckets = new Map<number, Bucket>();

  /** @param counts numbers of threads, the one first that is tried first */
  constructor(private readonly counts: readonly [number, ...number[]]) {}

  get most(): number {
    return Math.max(...this.counts);
  }

  choose(tokens: number): number {
    const { means } = this.bucket(tokens);
    const untried = means.indexOf(undefined);
    const best = means.reduce<number>((best, mean, i) => (mean! < means[best]! ? i : best), 0);
    return this.counts[untried === -1 ? best : untried]!;
  }

  took(tokens: number, threads: number, seconds: number): void {
    const bucket = this.bucket(tokens);
    const used = this.counts.indexOf(threads);
    bucket.means = bucket.means.map((mean, i) => {
      if (i !== used) return mean && mean * FORGIVEN;
      // What was known of it before others had their turn is old.
      const share = i === bucket.last && mean !== undefined ? NEWEST : 1;
      return (mean ?? 0) * (1 - share) + (seconds / tokens) * share;
    });
    bucket.last = used;
  }

  /** Sizes from one power of two to the next are as one. */
  private bucket(tokens: number): Bucket {
    const size = Math.floor(Math.log2(tokens));
    let bucket = this.buckets.get(size);
    if (!bucket) this.buckets.set(size, (bucket = { means: this.counts.map(() => undefined), last: undefined }));
    return bucket;
  }
}
