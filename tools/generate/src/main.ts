import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as prettier from 'prettier';
import { generateAll } from './files.js';

/**
 * `npm run generate` writes every generated file; with `--check` it only compares, and fails where one differs from
 * what its sources say.
 */
const root = fileURLToPath(new URL('../../..', import.meta.url));
const check = process.argv.includes('--check');
const stale: string[] = [];

for (const [path, text] of Object.entries(await generateAll(root))) {
  const file = join(root, path);
  const { inferredParser } = await prettier.getFileInfo(file);
  const options = { ...(await prettier.resolveConfig(file)), filepath: file };
  const wanted = inferredParser === null ? text : await prettier.format(text, options);
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present === wanted) continue;
  stale.push(path);
  if (check) continue;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, wanted);
}

if (!check) console.log(stale.length === 0 ? 'Every generated file was up to date.' : `Written: ${stale.join(', ')}`);
else if (stale.length > 0) {
  console.error(`Not what their sources say: ${stale.join(', ')}. Run "npm run generate" and commit the result.`);
  process.exitCode = 1;
}
