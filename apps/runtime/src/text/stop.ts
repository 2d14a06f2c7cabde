/**
 * Finds the first of some texts in a stream, whichever way it is cut. What could be the beginning of one is held back
 * until it is known.
 */
export class StopFinder {
  private held = '';
  private readonly longest: number;

  constructor(private readonly stops: readonly string[]) {
    this.longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  get holding(): boolean {
    return this.held !== '';
  }

  /** Text that may be shown, and whether one of the texts was found: then nothing more may follow. */
  push(text: string): { text: string; found: boolean } {
    if (this.longest === 0) return { text, found: false };
    const all = this.held + text;
    const at = this.stops.reduce((first, stop) => {
      const index = all.indexOf(stop);
      return index >= 0 && (first < 0 || index < first) ? index : first;
    }, -1);
    if (at >= 0) {
      this.held = '';
      return { text: all.slice(0, at), found: true };
    }
    const keep = this.possibleBeginning(all);
    this.held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), found: false };
  }

  /** What was held back, once nothing more comes. */
  flush(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  /** Length of the longest end of `text` with which one of the texts begins. */
  private possibleBeginning(text: string): number {
    for (let length = Math.min(this.longest - 1, text.length); length > 0; length--) {
      const end = text.slice(text.length - length);
      if (this.stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}
