import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ProcessMessage } from '@vigil/service';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** The program as it is started: a process of its own, that can be killed. */
export class ApiProcess {
  output = '';
  address = '';
  failure: string | undefined;
  private readonly started: Promise<void>;

  private constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.started = new Promise((done, fail) => {
      child.on('message', (message: ProcessMessage) => {
        if (message.type === 'failed') this.failure = message.message;
        if (message.type !== 'ready') return;
        this.address = message.addresses.api!;
        done();
      });
      child.once('close', () => fail(new Error(this.output)));
    });
    this.started.catch(() => undefined);
  }

  static run(env: Record<string, string>): ApiProcess {
    return new ApiProcess(
      fork(MAIN, {
        silent: true,
        // From any folder: what belongs to the repository is found all the same.
        cwd: '/',
        env: { PATH: process.env.PATH, API_PORT: '0', EVALUATION_INTERVAL: '200ms', ...env },
      }),
    );
  }

  /** @throws Error with what it said where it ends instead */
  async ready(): Promise<this> {
    await this.started;
    return this;
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await once(this.child, 'exit');
    }
    return this.child.exitCode;
  }

  async metric(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.address}/metrics`)).text();
    return Number(new RegExp(`^${name}\\{[^}]*${label}[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]);
  }
}
