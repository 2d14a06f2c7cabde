/** Tells on a terminal, or in a log, what is being done: one line a step, with its time once it takes over a second. */
export class Progress {
  private readonly open = new Map<string, number>();
  private readonly told = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private shown = false;
  private hushed = false;

  constructor(private readonly out: NodeJS.WriteStream = process.stdout) {}

  /** Runs a step and says that it is done. */
  async step<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.open.set(what, Date.now());
    this.timer ??= setInterval(() => this.tick(), this.out.isTTY ? 500 : 5_000);
    try {
      const result = await work();
      const seconds = (Date.now() - this.open.get(what)!) / 1000;
      this.finish(what);
      if (!this.hushed) this.line(`✓ ${what}${seconds >= 1 ? ` (${seconds.toFixed(1)} s)` : ''}`);
      return result;
    } catch (error) {
      this.finish(what);
      if (!this.hushed) this.line(`✗ ${what}`);
      throw error;
    }
  }

  /** From now on steps are cut short on purpose: how they end tells nobody anything. */
  hush(): void {
    this.hushed = true;
  }

  /** What a part says of its own progress: told at most once in two seconds, so that quick work stays quiet. */
  detail(name: string, text: string): void {
    const now = Date.now();
    const last = this.told.get(name);
    if (last === undefined) this.told.set(name, now);
    if (last === undefined || now - last < 2000) return;
    this.told.set(name, now);
    this.line(`  ${name}: ${text}`);
  }

  line(text: string): void {
    this.clear();
    this.out.write(`${text}\n`);
    if (this.out.isTTY) this.tick();
  }

  private finish(what: string): void {
    this.open.delete(what);
    if (this.open.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const now = Date.now();
    const late = [...this.open].filter(([, began]) => now - began >= 1000);
    if (late.length === 0) return;
    const text = `… ${late.map(([what, began]) => `${what} ${Math.round((now - began) / 1000)} s`).join(', ')}`;
    if (!this.out.isTTY) return void this.out.write(`${text}\n`);
    this.clear();
    this.out.write(text.slice(0, (this.out.columns ?? 80) - 1));
    this.shown = true;
  }

  private clear(): void {
    if (this.shown && this.out.isTTY) this.out.write('\r\x1b[K');
    this.shown = false;
  }
}
