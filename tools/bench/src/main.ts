import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describeError, UserError } from '@vigil/service';
import { describeMachine } from './machine.js';
import { printable, replaceSection, section } from './report.js';
import type { Bench, BenchResult } from './types.js';

/** Loaded when asked for: each needs other packages. */
const BENCHES: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  aborts: () => import('./aborts.js'),
  alerts: () => import('./alerts.js'),
  gpu: () => import('./gpu.js'),
  model: () => import('./model.js'),
  'model-speed': () => import('./model-speed.js'),
  proxy: () => import('./proxy.js'),
  runtime: () => import('./runtime.js'),
  'runtime-gpu': () => import('./runtime-gpu.js'),
};

const ROOT = new URL('../../../', import.meta.url);

async function main(name: string | undefined, size: string | undefined): Promise<number> {
  const load = name === undefined ? undefined : BENCHES[name];
  if (name === undefined || !load) {
    console.error(`Say which benchmark: npm run bench -- ${Object.keys(BENCHES).join('|')}`);
    return 2;
  }
  if (size !== undefined && !/^[1-9]\d*$/.test(size)) {
    console.error(`"${size}" is no number of cases: give a whole number above 0, or none.`);
    return 2;
  }
  const { bench } = await load();
  console.log(bench.title);
  const page = bench.page ?? 'docs/BENCHMARKS.md';
  const path = fileURLToPath(new URL(page, ROOT));
  const machine = await describeMachine();
  const command = size === undefined ? name : `${name} ${size}`;
  const save = async (result: BenchResult): Promise<void> => {
    const text = section(name, bench.title, result, machine, new Date(), command);
    const before = await readFile(path, 'utf8').catch(() => '');
    await writeFile(path, await format(replaceSection(before, name, text), path));
  };
  const say = (text: string): void => console.log(`· ${text}`);
  const result = await bench.run(say, size === undefined ? undefined : Number(size), save);
  console.log(`\n${printable(result)}`);
  await save(result);
  console.log(`\nWritten to ${page}.`);
  return 0;
}

/** As the repository's other pages are; without prettier (a machine with the build alone) as it is. */
async function format(page: string, path: string): Promise<string> {
  try {
    const prettier = await import('prettier');
    return await prettier.format(page, { ...(await prettier.resolveConfig(path)), filepath: path });
  } catch {
    return page;
  }
}

try {
  process.exitCode = await main(process.argv[2], process.argv[3]);
} catch (error) {
  console.error(error instanceof UserError ? error.message : describeError(error));
  process.exitCode = 1;
}
