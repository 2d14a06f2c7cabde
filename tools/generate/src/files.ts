import { join } from 'node:path';
import { loadRules, toPrometheusRules, type Rule } from '@vigil/rules';
import { stringify } from 'yaml';
import { configurationPage, environmentExample } from './configuration.js';
import { overviewDashboard, type Thresholds } from './dashboard.js';
import { signalsPage } from './signals-page.js';

/** Every generated file of the repository: its text (not yet formatted) by path. */
export async function generateAll(root: string): Promise<Record<string, string>> {
  const rules = await loadRules(join(root, 'alerts'));
  return {
    '.env.example': environmentExample(),
    'alerts/prometheus.rules.yaml': `# Made by "npm run generate" from the rules beside it.\n${stringify(toPrometheusRules(rules), { lineWidth: 0 })}`,
    'dashboards/vigil-overview.json': JSON.stringify(overviewDashboard(thresholds(rules))),
    'docs/CONFIGURATION.md': configurationPage(),
    'docs/SIGNALS.md': signalsPage(),
  };
}

/** Where the rules draw their lines, so that the panels draw them too. */
const thresholds = (rules: readonly Rule[]): Thresholds =>
  Object.fromEntries(rules.map((rule) => [rule.signal.id, rule.condition.threshold]));
