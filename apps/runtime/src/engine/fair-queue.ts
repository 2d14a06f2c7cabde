/**
 * Those who wait, in order; where they have owners, the owner with the least running comes first, so that nobody's
 * thousand requests hold up another's one.
 */
export class FairQueue<T> {
  private items: { item: T; owner: number | undefined }[] = [];

  get length(): number {
    return this.items.length;
  }

  push(item: T, owner: number | undefined): void {
    this.items.push({ item, owner });
  }

  has(item: T): boolean {
    return this.items.some((entry) => entry.item === item);
  }

  /** @returns whether it was there */
  delete(item: T): boolean {
    const index = this.items.findIndex((entry) => entry.item === item);
    if (index >= 0) this.items.splice(index, 1);
    return index >= 0;
  }

  /** @param load how many each owner has running */
  shift(load: ReadonlyMap<number | undefined, number>): { item: T; owner: number | undefined } | undefined {
    let best = 0;
    const loadOf = (index: number) => load.get(this.items[index]!.owner) ?? 0;
    for (let i = 1; i < this.items.length; i++) if (loadOf(i) < loadOf(best)) best = i;
    return this.items.splice(best, 1)[0];
  }

  /** Empties it. */
  drain(): T[] {
    return this.items.splice(0).map(({ item }) => item);
  }
}
