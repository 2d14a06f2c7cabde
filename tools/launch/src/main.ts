import { describeError, readConfig } from '@vigil/service';
import { configSchema } from './config.js';
import { loadEnvironment } from './environment.js';
import { Progress } from './progress.js';
import { ROOT, Stack } from './stack.js';
import { summary } from './summary.js';

/** `npm start`: everything up, a table of addresses, and down again in order on Ctrl-C. */
async function main(): Promise<void> {
  const progress = new Progress();
  let stack: Stack | undefined;
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    progress.hush();
    if (code === 0) progress.line('Stopping …');
    const began = Date.now();
    await stack?.stop();
    if (code === 0) progress.line(`Stopped (${((Date.now() - began) / 1000).toFixed(1)} s).`);
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));
  try {
    loadEnvironment(ROOT);
    const config = readConfig(configSchema);
    stack = new Stack(config, progress);
    await stack.start();
    const table = await summary(stack, config);
    if (!stopping) progress.line(table);
  } catch (error) {
    if (!stopping) console.error(`\n${describeError(error)}`);
    await stop(1);
  }
}

await main();
