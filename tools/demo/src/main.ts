import { join, resolve } from 'node:path';
import {
  configSchema,
  loadEnvironment,
  Progress,
  readState,
  ROOT,
  Stack,
  type LaunchConfig,
  type ProcessEvents,
  withoutChannels,
} from '@vigil/launch';
import { describeError, readConfig } from '@vigil/service';
import { startBeside, type Beside } from './beside.js';
import { Expectation } from './expectation.js';
import { readable, startReceiver, type Receiver } from './receiver.js';
import { RULES } from './rules.js';
import { missingRequests } from './stored.js';
import { firstModel, pause, Traffic, type Rush } from './traffic.js';

/** All three rules must have fired and resolved within this many seconds. */
const LIMIT = 180;
const RUSH: Rush = { clients: 192, more: 96, most: 480 };

const progress = new Progress();
const stopped = new AbortController();

/** `npm run demo`: real traffic, a GPU that fills up, and three alerts that fire and resolve. */
class Demo {
  private stack: Stack | undefined;
  private receiver: Receiver | undefined;
  private beside: Beside | undefined;
  private readonly score = new Expectation(RULES);
  private began = 0;

  async run(): Promise<boolean> {
    const state = await this.provideStack();
    this.receiver = await startReceiver((message) => {
      const lines = readable(message);
      this.score.note(`${message.text ?? ''} ${lines.join(' ')}`, this.seconds());
      progress.line(
        `\n  ┌ webhook after ${Math.round(this.seconds())} s\n${lines.map((l) => `  │ ${l}`).join('\n')}\n  └`,
      );
    });
    const began = new Date();
    this.began = Date.now();
    this.beside = await startBeside(state, this.dataDir, this.receiver.url, events);
    await progress.step('A replayed GPU, and the three rules with short windows', () =>
      Promise.all(this.beside!.processes.map((p) => p.start())),
    );
    const baseURL = `${state.addresses.runtime}/v1`;
    const traffic = new Traffic(baseURL, await firstModel(baseURL), stopped.signal);
    await this.play(traffic);
    return this.judge(traffic, state.addresses.api!, began);
  }

  async stop(): Promise<void> {
    stopped.abort();
    progress.hush();
    await Promise.all((this.beside?.processes ?? []).map((p) => p.stop()));
    await this.receiver?.close();
    await this.stack?.stop();
  }

  private readonly config = readConfig(configSchema);
  private readonly dataDir = resolve(ROOT, this.config.DATA_DIR);

  /** The stack that runs, or one that is started now and stopped at the end. */
  private async provideStack(): Promise<{ addresses: Record<string, string>; databaseUrl: string }> {
    const running = readState(this.dataDir);
    if (running?.addresses.runtime && !running.tellsPeople) {
      progress.line(`Vigil runs already (process ${running.pid}): the demo joins it.`);
      return running;
    }
    if (running)
      progress.line(
        `Vigil runs already (process ${running.pid}), and its alerts go to somebody: the demo starts one of its own.`,
      );
    this.stack = new Stack(running ? besideConfig(this.dataDir) : this.config, progress, withoutChannels(process.env));
    await this.stack.start();
    return this.stack;
  }

  private async play(traffic: Traffic): Promise<void> {
    const calm = new AbortController();
    const talking = traffic.talk(calm.signal);
    progress.line('A quiet time: a few conversations, one after the other.');
    await this.wait(() => this.seconds() > 10);
    progress.line(
      `A rush: ${RUSH.clients} clients at once, then more and more. Answers wait in the queue, and what finds no place there is refused.`,
    );
    const rush = new AbortController();
    const rushing = traffic.overload(RUSH, rush.signal);
    await this.wait(() => this.score.allFiring);
    rush.abort();
    await rushing;
    progress.line('\nThe rush is over, and the GPU is emptied: everything should resolve.');
    await this.wait(() => this.score.allResolved);
    calm.abort();
    await talking;
  }

  private async judge(traffic: Traffic, api: string, began: Date): Promise<boolean> {
    const { sent, answered, refused, failed, ids } = traffic.tally;
    const missing = await missingRequests(api, ids, began, 30);
    progress.line(`\n${this.score.report().join('\n')}`);
    progress.line(
      `${sent} requests: ${answered} answered, ${refused} refused as the queue was full, ${failed} failed.`,
    );
    progress.line(
      `${ids.size - missing.length} of ${ids.size} accepted requests (answered, or broken off after they had begun) are in PostgreSQL.`,
    );
    if (missing.length > 0) progress.line(`Missing, for example: ${missing.slice(0, 5).join(', ')}`);
    return this.score.allResolved && missing.length === 0;
  }

  private seconds(): number {
    return (Date.now() - this.began) / 1000;
  }

  /** Waits for something, within the demo's time. */
  private async wait(condition: () => boolean): Promise<void> {
    while (!condition() && this.seconds() < LIMIT && !stopped.signal.aborted) await pause(100);
  }
}

/** A second stack beside one that runs: its own folder, its own PostgreSQL, free ports. */
function besideConfig(dataDir: string): LaunchConfig {
  const ports = ['POSTGRES', 'RUNTIME', 'API', 'OTLP', 'COLLECTOR', 'PROMETHEUS'].map((name) => [`${name}_PORT`, '0']);
  return readConfig(configSchema, { ...Object.fromEntries(ports), DATA_DIR: join(dataDir, 'demo-stack') });
}

/** What is told of the processes that the demo runs beside the stack. */
const events: ProcessEvents = {
  progress: () => undefined,
  warning: () => undefined,
  died: (name, how) => progress.line(`✗ ${name} died (${how}). Starting it again …`),
  back: (name, seconds) => progress.line(`✓ ${name} is back after ${seconds.toFixed(1)} s`),
};

async function main(): Promise<void> {
  let demo: Demo | undefined;
  let ending: Promise<void> | undefined;
  const end = (code: number): Promise<void> =>
    (ending ??= (async () => {
      await demo?.stop();
      process.exit(code);
    })());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(130));
  try {
    loadEnvironment(ROOT);
    demo = new Demo();
    const good = await demo.run();
    if (!stopped.signal.aborted)
      progress.line(good ? '\nThe demo succeeded.' : '\nThe demo failed: see above what is missing.');
    await end(good ? 0 : 1);
  } catch (error) {
    if (!ending) console.error(`\n${describeError(error)}`);
    await end(1);
  }
}

await main();
