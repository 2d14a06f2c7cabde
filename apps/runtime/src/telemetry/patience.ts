/** Waits for what usually takes moments. Once it took too long nobody waits, until some of it is done again. */
export class Patience {
  private lost = false;

  /** @param ms milliseconds that one may wait */
  constructor(private readonly ms: number) {}

  /** Resolves when `work` settles, or when patience is lost. Never rejects. */
  async for(work: Promise<unknown>): Promise<void> {
    const done = work.then(
      () => void (this.lost = false),
      () => undefined,
    );
    if (this.lost) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.lost = true;
        resolve();
      }, this.ms).unref();
    });
    await Promise.race([done, late]);
    clearTimeout(timer);
  }
}
