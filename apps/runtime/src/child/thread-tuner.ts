/** Batches of each number in a trial, by turns. */
const TURNS = 2;
/** So many times slower ends a trial. */
const HOPELESS = 1.5;
/** Batches whose middle one says what they take now; so many times more or less than after the trial is a change. */
const RECENT = 9;
const CHANGED = 1.5;
/** Batches from one trial to the next: the fewest after a change, more after each trial that changed nothing. */
const SOONEST = 12;
const LATEST = 800;
const MORE = 4;
/** A change is worth a trial only so many batches after the last. */
const RESTLESS = 50;

/** What is worth trying: all, and half of them, so that a trial takes twice as long at most. */
export const countsOf = (threads: number): [number, ...number[]] =>
  threads > 1 ? [threads, Math.ceil(threads / 2)] : [1];

/** How many threads compute a lane's batches. */
export interface LaneThreads {
  /** More are never chosen. */
  readonly most: number;
  choose(tokens: number): number;
  /** To be told of each batch that so many threads computed as they were chosen. */
  took(tokens: number, threads: number, seconds: number): void;
}

/** Of a lane that has all threads while it is alone, and else its share. */
export function sharedThreads(all: LaneThreads, share: number, alone: () => boolean): LaneThreads {
  let tuned = false;
  return {
    most: all.most,
    choose: (tokens) => {
      tuned = alone();
      return tuned ? all.choose(tokens) : share;
    },
    took: (tokens, threads, seconds) => {
      if (tuned && alone()) all.took(tokens, threads, seconds);
    },
  };
}

/**
 * Chooses how many threads compute a batch, by how long batches of its size took. Threads of a batch wait for one
 * another some hundred times, spinning: on cores of their own two are nearly twice as fast as one, but where something
 * else wants a core they can be slower.
 */
export class ThreadTuner implements LaneThreads {
  private readonly sizes = new Map<number, Choice>();

  /** @param counts one number of threads, or two, the one first that is tried first */
  constructor(private readonly counts: readonly [number, ...number[]]) {}

  get most(): number {
    return Math.max(...this.counts);
  }

  choose(tokens: number): number {
    return this.counts.length === 1 ? this.counts[0] : this.choice(tokens).next;
  }

  took(tokens: number, threads: number, seconds: number): void {
    if (this.counts.length > 1) this.choice(tokens).took(threads, seconds / tokens);
  }

  /** Sizes from one power of two to the next are as one. */
  private choice(tokens: number): Choice {
    const size = Math.floor(Math.log2(tokens));
    const known = this.sizes.get(size);
    if (known) return known;
    const [first, second = first] = this.counts;
    const choice = new Choice(first, second);
    this.sizes.set(size, choice);
    return choice;
  }
}

/**
 * Between two numbers of threads, for batches of one size. What holds a batch up only makes it slower, so both are judged
 * by their quickest batch of the trial; its own by what it took before as well, as going over to the slower number costs
 * much more than staying with it until the next trial.
 */
class Choice {
  private trial: { own: number[]; other: number[] } | undefined;
  private wait = SOONEST;
  private since = 0;
  /** Seconds a token: of the last batches, */
  private recent: number[] = [];
  /** and of the middle one of the first after the trial. */
  private usual: number | undefined;

  constructor(
    private own: number,
    private other: number,
  ) {}

  /** Threads of the next batch. */
  get next(): number {
    return this.trial && this.trial.other.length < this.trial.own.length ? this.other : this.own;
  }

  took(threads: number, seconds: number): void {
    const { trial } = this;
    if (trial) {
      (threads === this.own ? trial.own : trial.other).push(seconds);
      if (trial.other.length < trial.own.length) return;
      const usually = middle([...this.recent, ...trial.own]);
      const ratio = Math.min(...trial.other) / Math.min(usually, ...trial.own);
      if (trial.other.length === TURNS || ratio > HOPELESS) this.decide(ratio < 1);
      return;
    }
    this.recent = [...this.recent, seconds].slice(-RECENT);
    if (++this.since === RECENT) this.usual = middle(this.recent);
    if (this.since >= this.wait || (this.since >= RESTLESS && this.isChanged())) this.trial = { own: [], other: [] };
  }

  private decide(otherIsQuicker: boolean): void {
    if (otherIsQuicker) [this.own, this.other] = [this.other, this.own];
    this.wait = otherIsQuicker ? SOONEST : Math.min(LATEST, this.wait * MORE);
    this.trial = undefined;
    this.recent = [];
    this.since = 0;
  }

  private isChanged(): boolean {
    const ratio = middle(this.recent) / this.usual!;
    return ratio > CHANGED || ratio < 1 / CHANGED;
  }
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
