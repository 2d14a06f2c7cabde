import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { ROOT } from '../config.js';
import type { Rule } from '@vigil/rules';

export interface Runbook {
  text: string;
  /** The first entries of its list under "What to do". */
  steps: string[];
}

const STEPS = 3;

/**
 * Reads a rule's runbook. Its path counts from the folder that holds a folder of rules, or from the repository.
 * @returns undefined where there is none, or where the action is an address
 */
export async function readRunbook(rule: Rule, rulesFolders: readonly string[]): Promise<Runbook | undefined> {
  if (isAddress(rule.action) || isAbsolute(rule.action)) return undefined;
  for (const base of [...rulesFolders.map((folder) => dirname(resolve(folder))), ROOT]) {
    const path = join(base, rule.action);
    if (!path.endsWith('.md') || !path.startsWith(join(base, '/'))) continue;
    try {
      const text = await readFile(path, 'utf8');
      return { text, steps: firstSteps(text) };
    } catch {
      // It may lie under the other one.
    }
  }
  return undefined;
}

export const isAddress = (action: string): boolean => /^https?:\/\//.test(action);

/** The first entries of the numbered list under the heading "What to do". */
export function firstSteps(markdown: string): string[] {
  const section = /^#+ What to do\s*$([\s\S]*?)(?=^#|$(?![\s\S]))/m.exec(markdown)?.[1] ?? '';
  return [...section.matchAll(/^\d+\.\s+(.+)$/gm)].slice(0, STEPS).map((match) => match[1]!.trim());
}
