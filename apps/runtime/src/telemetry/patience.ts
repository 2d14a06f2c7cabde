/** Waits for what usually takes moments. Once it took too long nobody waits, until some of it is done again. */
export class Patience {
  private lost = false;

  /** @param ms milliseconds that one may wait */
  constructor(private readonly ms: number) {}

  /** Resolves when `work` settles, or when patience is lost. Never rejects. */
  for(work: Promise<unknown>): Promise<void> {
    const done = work.then(
      () => void (this.lost = false),
      () => undefined,
    );
    if (this.lost) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.lost = true;
        resolve();
      }, this.ms);
      timer.unref();
      void done.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
