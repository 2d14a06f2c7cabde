export { parseRuleCases, playCase, type RuleCase, type RuleCases } from './cases.js';
export * from './decide.js';
export { ruleDuration } from './duration.js';
export { enableRules } from './enable.js';
export { loadRules, RuleError } from './load.js';
export { parseRule, type Problem } from './parse.js';
export { toPrometheusRules, type PrometheusRules } from './prometheus.js';
export { render, type Template } from './template.js';
export * from './types.js';
