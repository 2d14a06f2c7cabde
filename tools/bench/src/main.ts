import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describeError, UserError } from '@vigil/service';
import { describeMachine } from './machine.js';
import { printable, replaceSection, section } from './report.js';
import type { Bench } from './types.js';

/** Loaded when asked for: each needs other packages. */
const BENCHES: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  alerts: () => import('./alerts.js'),
  gpu: () => import('./gpu.js'),
  proxy: () => import('./proxy.js'),
  runtime: () => import('./runtime.js'),
};

const PAGE = fileURLToPath(new URL('../../../docs/BENCHMARKS.md', import.meta.url));

async function main(name: string | undefined): Promise<number> {
  const load = name === undefined ? undefined : BENCHES[name];
  if (name === undefined || !load) {
    console.error(`Say which benchmark: npm run bench -- ${Object.keys(BENCHES).join('|')}`);
    return 2;
  }
  const { bench } = await load();
  console.log(bench.title);
  const result = await bench.run((text) => console.log(`· ${text}`));
  console.log(`\n${printable(result)}`);
  const text = section(name, bench.title, result, await describeMachine(), new Date());
  const page = await readFile(PAGE, 'utf8').catch(() => '');
  await writeFile(PAGE, await format(replaceSection(page, name, text)));
  console.log('\nWritten to docs/BENCHMARKS.md.');
  return 0;
}

/** As the repository's other pages are; without prettier (a machine with the build alone) as it is. */
async function format(page: string): Promise<string> {
  try {
    const prettier = await import('prettier');
    return await prettier.format(page, { ...(await prettier.resolveConfig(PAGE)), filepath: PAGE });
  } catch {
    return page;
  }
}

try {
  process.exitCode = await main(process.argv[2]);
} catch (error) {
  console.error(error instanceof UserError ? error.message : describeError(error));
  process.exitCode = 1;
}
