/** What became of one rule, seconds after the demo began. */
export interface Seen {
  firing?: number;
  resolved?: number;
}

/** Keeps score of which rules have fired and resolved, from the messages alone. */
export class Expectation {
  readonly seen: Map<string, Seen>;

  constructor(rules: readonly string[]) {
    this.seen = new Map(rules.map((rule) => [rule, {}]));
  }

  /** Notes a message's words. A resolution counts only after its firing. */
  note(words: string, seconds: number): void {
    for (const [rule, seen] of this.seen) {
      if (!words.includes(rule)) continue;
      if (/resolved/i.test(words)) {
        if (seen.firing !== undefined) seen.resolved ??= seconds;
      } else if (/firing/i.test(words)) seen.firing ??= seconds;
    }
  }

  get allFiring(): boolean {
    return [...this.seen.values()].every((s) => s.firing !== undefined);
  }

  get allResolved(): boolean {
    return [...this.seen.values()].every((s) => s.resolved !== undefined);
  }

  /** One line a rule. */
  report(): string[] {
    const at = (seconds: number | undefined) => (seconds === undefined ? 'never' : `after ${Math.round(seconds)} s`);
    return [...this.seen].map(
      ([rule, s]) => `${rule.padEnd(22)} fired ${at(s.firing).padEnd(12)} resolved ${at(s.resolved)}`,
    );
  }
}
