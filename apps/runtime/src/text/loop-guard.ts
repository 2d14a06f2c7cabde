/** The longest block whose return is noticed, in tokens. */
const LONGEST_BLOCK = 512;
/** A block must have come so many times in a row, */
const TIMES = 4;
/** and all of them together be so many tokens: tables and lists repeat themselves too. */
const SHORTEST_LOOP = 256;

/** Sees that the same block of tokens comes again and again at the end of an answer. */
export class LoopGuard {
  private readonly said: number[] = [];
  /** By length of block: how many tokens in a row were the same as the one a block before. */
  private readonly same = new Uint32Array(LONGEST_BLOCK + 1);

  /** @returns the length of the block that the answer is caught in, in tokens; 0 where it is in none */
  push(token: number): number {
    const { said, same } = this;
    const at = said.push(token) - 1;
    let found = 0;
    for (let block = Math.min(at, LONGEST_BLOCK); block > 0; block--) {
      if (said[at - block] !== token) {
        same[block] = 0;
        continue;
      }
      const again = ++same[block]!;
      if (again >= (TIMES - 1) * block && again + block >= SHORTEST_LOOP) found = block;
    }
    return found;
  }
}
