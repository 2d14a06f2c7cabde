import type { Logger } from '@vigil/service';
import type { Adopted } from '@vigil/rules';
import { isAddress, readRunbook, type Runbook } from '../notify/runbook.js';

/** The runbooks of the rules that are in force, read anew when a rule changes. */
export class Runbooks {
  readonly texts = new Map<string, Runbook>();
  private read = new Map<string, string>();

  constructor(
    private readonly folders: readonly string[],
    private readonly log: Logger,
  ) {}

  async follow(adopted: readonly Adopted[]): Promise<void> {
    const before = this.read;
    this.read = new Map(adopted.map(({ rule, text }) => [rule.name, text]));
    for (const name of before.keys()) if (!this.read.has(name)) this.texts.delete(name);
    for (const { rule, text } of adopted) {
      if (before.get(rule.name) === text) continue;
      const runbook = await readRunbook(rule, this.folders);
      if (runbook) this.texts.set(rule.name, runbook);
      else this.texts.delete(rule.name);
      if (!runbook && !isAddress(rule.action))
        this.log.warn(
          { rule: rule.name, action: rule.action },
          'the runbook of a rule is not there: its messages only name it',
        );
    }
  }
}
