import type { ServerResponse } from 'node:http';

/** A client that takes nothing for so long is as good as gone. */
const STALLED_MS = 60_000;

/** Server-sent events to one client. Headers go out with the first event, so that what fails before can say so. */
export class EventStream {
  constructor(
    private readonly response: ServerResponse,
    private readonly stalledMs = STALLED_MS,
  ) {}

  get begun(): boolean {
    return this.response.headersSent;
  }

  /**
   * Writes an event and waits until the client can take more.
   * @throws Error when it is gone, or takes nothing for too long
   */
  async send(event: unknown): Promise<void> {
    if (!this.response.headersSent)
      this.response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        // nginx would collect the events otherwise.
        'x-accel-buffering': 'no',
      });
    const data = typeof event === 'string' ? event : JSON.stringify(event);
    if (this.response.destroyed) throw new Error('The client is gone.');
    if (!this.response.write(`data: ${data}\n\n`)) await this.drained();
  }

  end(): void {
    this.response.end();
  }

  private drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        clearTimeout(timer);
        this.response.off('drain', onDrain).off('close', onClose);
        if (error) reject(error);
        else resolve();
      };
      const onDrain = () => settle();
      const onClose = () => settle(new Error('The client is gone.'));
      const timer = setTimeout(() => {
        this.response.destroy();
        settle(new Error('The client takes nothing.'));
      }, this.stalledMs);
      this.response.on('drain', onDrain).on('close', onClose);
    });
  }
}
