/** Models below this size are done before threads have found each other. */
const SMALL = 256 * 2 ** 20;

/**
 * Processor threads for a model. ggml's threads wait for one another by spinning, so that on a machine with few cores
 * a second thread can make a small model twenty times slower; a large one needs all cores but one, which is left to
 * the server.
 */
export function chooseThreads(wanted: number, modelBytes: number, cores: number): number {
  if (wanted > 0) return wanted;
  return modelBytes < SMALL ? 1 : Math.max(1, cores - 1);
}
