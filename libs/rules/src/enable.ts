import { suggestion } from './nearest.js';
import { RuleError } from './load.js';
import type { Rule } from './types.js';

const LAYERS = ['infrastructure', 'service', 'conversation'];

/**
 * Switches rules on that their files leave off.
 * @param wanted names of rules, names of layers (all rules on signals of that layer), or `all`
 * @returns all rules, those that are named switched on
 * @throws RuleError with a sentence for every word that names nothing
 */
export function enableRules(rules: readonly Rule[], wanted: readonly string[]): Rule[] {
  const names = rules.map((rule) => rule.name);
  const known = [...names, ...LAYERS, 'all'];
  const strangers = wanted.filter((word) => !known.includes(word));
  if (strangers.length > 0)
    throw new RuleError(
      strangers
        .map((word) => {
          const near = suggestion(word, known);
          return `RULES_ENABLE names "${word}", which is no rule${near === '' ? `; write all, a layer (${LAYERS.join(', ')}) or names of rules.` : near}`;
        })
        .join('\n'),
    );
  return rules.map((rule) => switchOn(rule, wanted));
}

/** The rule, switched on where its name, its layer or all are wanted. */
export function switchOn(rule: Rule, wanted: readonly string[]): Rule {
  const isWanted = wanted.includes('all') || wanted.includes(rule.signal.layer) || wanted.includes(rule.name);
  return rule.enabled || !isWanted ? rule : { ...rule, enabled: true };
}
