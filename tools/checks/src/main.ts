import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { providePrometheus } from './prometheus.js';

/** `npm test`: every check that a change must pass. What was asked for by name (`npm test -- apps/api`) runs alone. */
const only = process.argv.slice(2);

async function run(what: string, command: string, args: string[]): Promise<void> {
  console.log(`\n— ${what}`);
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: environment });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${what}: failed`);
}

const environment = {
  ...process.env,
  NX_DAEMON: 'false',
  NX_NO_CLOUD: 'true',
  NX_TUI: 'false',
  ...(!process.stdout.isTTY && { NO_COLOR: '1' }),
};

/** @param prometheus said again beside the count, which it explains */
async function tests(prometheus: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-results-'));
  const file = join(folder, 'results.json');
  try {
    await run('Tests', 'vitest', [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...only,
    ]);
  } finally {
    const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = readResults(file);
    await rm(folder, { recursive: true, force: true });
    console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n${prometheus}`);
  }
}

function readResults(file: string): { numPassedTests: number; numFailedTests: number; numPendingTests: number } {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ReturnType<typeof readResults>;
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0 };
  }
}

try {
  if (only.length === 0) {
    await run('Format', 'prettier', ['--check', '--log-level=warn', '.']);
    await run('Lint', 'npm', ['run', '--silent', 'lint']);
    await run('Generated files', 'npm', ['run', '--silent', 'generate', '--', '--check']);
  }
  const prometheus = providePrometheus();
  console.log(`\n${prometheus}`);
  await tests(prometheus);
} catch (error) {
  console.error(`\n${(error as Error).message}`);
  process.exitCode = 1;
}
