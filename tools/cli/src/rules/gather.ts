import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { adopt, RuleFolder, type Definition, type RuleSet } from '@vigil/rules';
import { UsageError } from '../options.js';

/** Rules as they were found, and the texts of their test cases. */
export interface Gathered extends RuleSet {
  cases: Definition[];
}

/**
 * Rules of folders and single files, and the cases in `tests/` beside them.
 * @throws UsageError where a path leads nowhere
 */
export async function gather(paths: readonly string[]): Promise<Gathered> {
  const found: Definition[] = [];
  const folders = new Set<string>();
  let whole = true;
  for (const path of paths.length > 0 ? paths : [resolve(process.env['RULES_DIR'] || 'alerts')]) {
    if (!existsSync(path)) throw new UsageError(`There is no file or folder "${display(path)}".`);
    if (statSync(path).isDirectory()) {
      folders.add(path);
      found.push(...((await new RuleFolder(path, { variable: 'PATH', mayBeEmpty: true }).look()) ?? []));
    } else {
      whole = false;
      folders.add(dirname(path));
      found.push({ origin: display(path), text: await readFile(path, 'utf8') });
    }
  }
  if (found.length === 0) throw new UsageError('No rule was found: name a folder with *.yaml files, or files.');
  const set = adopt({ rules: [], refused: [] }, found);
  const cases = (await Promise.all([...folders].map((folder) => readCases(join(folder, 'tests'))))).flat();
  // Beside a single file lie the cases of others, too.
  const names = new Set(set.rules.map(({ rule }) => rule.name));
  const isOwn = ({ text }: Definition) => names.has(/^alert:\s*(\w+)/m.exec(text)?.[1] ?? '');
  return { ...set, cases: whole ? cases : cases.filter(isOwn) };
}

async function readCases(folder: string): Promise<Definition[]> {
  if (!existsSync(folder)) return [];
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).toSorted();
  return Promise.all(
    names.map(async (name) => ({
      origin: display(join(folder, name)),
      text: await readFile(join(folder, name), 'utf8'),
    })),
  );
}

/** From here where it lies below, else whole. */
function display(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
