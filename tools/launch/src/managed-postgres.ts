import { PostgresServer, type PostgresOptions } from '@vigil/postgres';
import { errorMessage, UserError } from '@vigil/service';
import { restartDelay, STABLE_MS, type ProcessEvents } from './managed-process.js';

/** The embedded PostgreSQL, brought back when it dies. */
export class ManagedPostgres {
  private server: PostgresServer | undefined;
  private stopping = false;
  private deaths = 0;
  private restart: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: PostgresOptions,
    private readonly events: ProcessEvents,
  ) {}

  get pid(): number | undefined {
    return this.server?.pid;
  }

  /** @returns the connection URL of the database `vigil` */
  async start(): Promise<string> {
    try {
      this.server = await PostgresServer.prepare(this.options);
      await this.launch();
    } catch (error) {
      throw new UserError(errorMessage(error), { cause: error });
    }
    return this.server.url();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    await this.server?.stop();
  }

  private async launch(): Promise<void> {
    const child = await this.server!.start();
    const began = Date.now();
    child.once('exit', (code, signal) => {
      if (this.stopping) return;
      if (Date.now() - began > STABLE_MS) this.deaths = 0;
      this.events.died('postgres', signal ?? `exit code ${code}`);
      this.bringBackAfter(restartDelay(this.deaths++));
    });
  }

  private bringBackAfter(delay: number): void {
    this.restart = setTimeout(async () => {
      const began = Date.now();
      try {
        await this.launch();
        this.events.back('postgres', (Date.now() - began) / 1000);
      } catch (error) {
        this.events.warning('postgres', errorMessage(error));
        if (!this.stopping) this.bringBackAfter(restartDelay(this.deaths++));
      }
    }, delay);
  }
}
