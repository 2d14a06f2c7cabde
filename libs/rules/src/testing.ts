import { parseRule } from './parse.js';
import type { Rule } from './types.js';

/** A good rule for tests: fires when `gpu.memory.ratio` is above 0.9, by node and GPU, after `hold`. */
export function testRule(hold = '0s', extra = ''): Rule {
  const source = `
alert: Test
signal: gpu.memory.ratio
condition: { above: 0.9 }
for: ${hold}
by: [node, gpu]
severity: critical
summary: GPU {{ $labels.gpu }} uses {{ $value }}
action: docs/runbooks/gpu-memory-high.md
${extra}`;
  const { rule, problems } = parseRule(source, 'alerts/test.yaml');
  if (!rule) throw new Error(JSON.stringify(problems));
  return rule;
}

export { expand } from './cases.js';
export * from './timelines.js';
