/**
 * Names of what was taken in lately, so that what is sent twice is counted once. Bounded: beyond, the oldest are
 * forgotten, and so is everything at a restart, when the counters begin anew as well.
 */
export class Recent {
  private readonly names = new Set<string>();

  constructor(private readonly max = 100_000) {}

  /** Remembers a name. @returns whether it is new */
  claim(name: string): boolean {
    if (this.names.has(name)) return false;
    this.names.add(name);
    if (this.names.size > this.max) this.names.delete(this.names.values().next().value!);
    return true;
  }

  /** Forgets a name again, since what it stands for was not taken in after all. */
  release(name: string): void {
    this.names.delete(name);
  }
}
