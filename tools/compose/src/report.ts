/** What was found, a line each, as it is found. */
export class Report {
  private failed = 0;
  private readonly missing: string[] = [];

  /** Runs a step and says how it went; steps that come after a failure still run. */
  async step(what: string, body: () => Promise<string | void>): Promise<boolean> {
    const began = performance.now();
    try {
      const note = await body();
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      console.log(`✓ ${what} (${seconds} s)${note ? `: ${note}` : ''}`);
      return true;
    } catch (error) {
      this.failed++;
      console.log(`✗ ${what}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  }

  /** What this machine does not allow. */
  couldNot(what: string): void {
    this.missing.push(what);
    console.log(`– not done: ${what}`);
  }

  /** @returns whether all that was done succeeded */
  end(): boolean {
    console.log(
      `\n${this.failed === 0 ? 'The stack stands.' : `${this.failed} steps failed.`} ` +
        (this.missing.length === 0
          ? 'Nothing was left out.'
          : `Not done here:\n${this.missing.map((m) => `  ${m}`).join('\n')}`),
    );
    return this.failed === 0;
  }
}
