const MIB = 2 ** 20;
/** A model below this size is done before a second context would pay, */
const TINY = 4 * MIB;
/** one below this before the threads of a batch are on cores of their own. */
const SMALL = 64 * MIB;
/** Above this, each further context would read too much of memory. */
const LARGE = 1024 * MIB;
/** With fewer cores than these, threads find cores of their own only where they are moved there. */
const MANY_CORES = 4;
const MOST_LANES = 4;
/** Two threads are quicker at so many rows together than each at its half of them. */
const GATHERED = 16;

export interface Threads {
  /** Of all lanes together. */
  threads: number;
  /** Contexts side by side. */
  lanes: number;
  /** Requests that one lane answers with all threads before there are answers in others; 0 where they are spread at once. */
  gathered: number;
}

/**
 * Processor threads for a model, and over how many contexts they are spread. One context has all cores but one, which is
 * left to the server, or all of two or three, where threads are kept apart. A small model, and a medium one where few
 * threads can't be kept apart, has several contexts of one thread each, which wait for nobody; a medium one on two cores
 * goes over to that where it is crowded. See docs/decisions/0020-cores-and-gpus.md for what was measured.
 * @param wanted 0 chooses
 * @param spread threads can be kept apart
 */
export function chooseThreads(wanted: number, modelBytes: number, cores: number, spread: boolean): Threads {
  if (modelBytes < TINY) return { threads: Math.max(1, wanted), lanes: 1, gathered: 0 };
  if (modelBytes >= LARGE || (modelBytes >= SMALL && (spread || cores >= MANY_CORES))) {
    const all = spread && cores < MANY_CORES ? cores : Math.max(1, cores - 1);
    const threads = wanted > 0 ? wanted : all;
    const parts = modelBytes < LARGE && cores < MANY_CORES && threads === 2;
    return parts ? { threads, lanes: 2, gathered: GATHERED } : { threads, lanes: 1, gathered: 0 };
  }
  const threads = wanted > 0 ? wanted : Math.min(cores, MOST_LANES);
  return { threads, lanes: Math.min(threads, MOST_LANES), gathered: 0 };
}
