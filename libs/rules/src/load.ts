import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describeProblem, parseRule, type Problem } from './parse.js';
import type { Rule } from './types.js';

/** The folder can't be read, or what is in it is wrong. The message is one line a mistake: `alerts/gpu.yaml:3: …`. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
}

/** Made by `npm run generate`, for Prometheus. */
const GENERATED = /^prometheus\.(\w+\.)?rules\.yaml$/;

/**
 * Reads every `*.yaml` and `*.yml` file of a folder, not of folders in it, one rule a file.
 * @throws RuleError naming every mistake of every file
 */
export async function loadRules(folder: string): Promise<Rule[]> {
  const rules: Rule[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  for (const name of await ruleFiles(folder)) {
    const file = display(join(folder, name));
    const parsed = parseRule(await readFile(join(folder, name), 'utf8'), file);
    problems.push(...parsed.problems);
    if (!parsed.rule) continue;
    const other = seen.get(parsed.rule.name);
    if (other !== undefined)
      problems.push({
        file,
        line: parsed.line,
        mistake: `The alert ${parsed.rule.name} is already defined in ${other}: rename one.`,
      });
    seen.set(parsed.rule.name, `${file}:${parsed.line}`);
    rules.push(parsed.rule);
  }
  if (problems.length > 0) throw new RuleError(problems.map(describeProblem).join('\n'));
  return rules;
}

/** A path as a person would type it: from here where it lies below, else whole. */
function display(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

async function ruleFiles(folder: string): Promise<string[]> {
  let names: string[];
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    names = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new RuleError(`The folder of rules ${folder} can't be read (${reason}). Set RULES_DIR to one that can.`);
  }
  const files = names.filter((name) => /^[^.].*\.ya?ml$/.test(name) && !GENERATED.test(name)).toSorted();
  if (files.length === 0)
    throw new RuleError(`The folder of rules ${folder} holds no *.yaml file. Set RULES_DIR to one that does.`);
  return files;
}
