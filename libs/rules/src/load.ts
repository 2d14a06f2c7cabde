import { FolderError, RuleFolder } from './folder.js';
import { adopt, type RuleSet } from './rule-set.js';
import type { Rule } from './types.js';

/** The folder can't be read, or what is in it is wrong. The message is one line a mistake: `alerts/gpu.yaml:3: …`. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
}

/**
 * Reads every rule of a folder, one a file.
 * @throws RuleError naming every mistake of every file
 */
export async function loadRules(folder: string): Promise<Rule[]> {
  try {
    const found = (await new RuleFolder(folder).look()) ?? [];
    return withoutMistakes(adopt({ rules: [], refused: [] }, found)).map(({ rule }) => rule);
  } catch (error) {
    throw error instanceof FolderError ? new RuleError(error.message) : error;
  }
}

/**
 * The rules of a set in which nothing was refused.
 * @throws RuleError naming every mistake
 */
export function withoutMistakes({ rules, refused }: RuleSet): RuleSet['rules'] {
  const mistakes = [...refused, ...rules].flatMap(({ error }) => error ?? []);
  if (mistakes.length > 0) throw new RuleError(mistakes.join('\n'));
  return rules;
}
