const MIB = 2 ** 20;
/** A model below this size is done before a second context would pay. */
const TINY = 16 * MIB;
/** Models below this size are computed in several contexts side by side. */
const SMALL = 1024 * MIB;
const MOST_LANES = 4;

export interface Threads {
  /** Of all lanes together. */
  threads: number;
  /** Contexts side by side. */
  lanes: number;
}

/**
 * Processor threads for a model, and over how many contexts they are spread. ggml's threads wait for one another by
 * spinning, and node-llama-cpp has them started anew for every step, so that on a machine with few cores a second
 * thread can make a small model many times slower, and never makes it faster for a lone request. So a small model has
 * several contexts of one thread each, which wait for nobody. A large one would be read from memory once for each, so
 * it has one context with all cores but one, which is left to the server.
 */
export function chooseThreads(wanted: number, modelBytes: number, cores: number): Threads {
  if (modelBytes < TINY) return { threads: Math.max(1, wanted), lanes: 1 };
  if (modelBytes < SMALL) {
    const threads = wanted > 0 ? wanted : Math.min(cores, MOST_LANES);
    return { threads, lanes: Math.min(threads, MOST_LANES) };
  }
  return { threads: wanted > 0 ? wanted : Math.max(1, cores - 1), lanes: 1 };
}
