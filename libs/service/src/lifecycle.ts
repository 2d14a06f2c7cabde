import { errorMessage } from './errors.js';
import type { Logger } from './log.js';

/**
 * What to undo, by name, last in first out, within a deadline. Everything that is started registers here at once,
 * so that a start that fails half-way is undone by the same code as an orderly stop.
 */
export class Lifecycle {
  private readonly cleanups: { name: string; run: () => unknown }[] = [];
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly log: Logger,
    private readonly deadlineMs = 8_000,
  ) {}

  onStop(name: string, run: () => unknown): void {
    this.cleanups.push({ name, run });
  }

  /** Runs every clean-up once; a second call awaits the first. Never throws: what failed is logged. */
  stop(): Promise<void> {
    this.stopping ??= this.runAll();
    return this.stopping;
  }

  private async runAll(): Promise<void> {
    const end = performance.now() + this.deadlineMs;
    for (const { name, run } of this.cleanups.toReversed()) {
      const left = Math.max(end - performance.now(), 100);
      let timer: NodeJS.Timeout | undefined;
      try {
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`not done after ${Math.round(left)} ms`)), left);
        });
        await Promise.race([Promise.resolve().then(run), late]);
      } catch (error) {
        this.log.warn({ cleanup: name, reason: errorMessage(error) }, 'a clean-up failed');
      } finally {
        clearTimeout(timer);
      }
    }
  }
}
