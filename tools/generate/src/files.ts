import { overviewDashboard } from './dashboard.js';
import { signalsPage } from './signals-page.js';

/** Every generated file of the repository: its text (not yet formatted) by path. */
export async function generateAll(root: string): Promise<Record<string, string>> {
  void root;
  return {
    'docs/SIGNALS.md': signalsPage(),
    'dashboards/vigil-overview.json': JSON.stringify(overviewDashboard({})),
  };
}
