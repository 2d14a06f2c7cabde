import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { caseSchema, loadRules, ruleSchema, toPrometheusRules, type Rule } from '@vigil/rules';
import { recordingRules } from '@vigil/signals';
import { stringify } from 'yaml';
import { configurationPage, environmentExample } from './configuration.js';
import { dashboards } from './dashboards/index.js';
import { signalsPage } from './signals-page.js';

/** Every generated file of the repository: its text (not yet formatted) by path. */
export async function generateAll(root: string): Promise<Record<string, string>> {
  const rules = await loadRules(join(root, 'alerts'));
  const on = rules.filter((rule) => rule.enabled);
  const off = rules.filter((rule) => !rule.enabled);
  const prometheus = {
    'alerts/prometheus.rules.yaml': prometheusRules('the rules beside it that are on', on),
    'alerts/prometheus.recommended.rules.yaml': prometheusRules('the rules beside it that are off until enabled', off),
    'alerts/prometheus.recording.rules.yaml': recordings(),
  };
  const panels = Object.fromEntries(
    Object.entries(dashboards(rules)).map(([path, content]) => [path, JSON.stringify(content)]),
  );
  return {
    '.env.example': environmentExample(),
    'alerts/rule.schema.json': JSON.stringify(ruleSchema()),
    'alerts/case.schema.json': JSON.stringify(caseSchema()),
    ...prometheus,
    ...panels,
    ...(await chartFiles(root, { ...prometheus, ...panels })),
    'docs/CONFIGURATION.md': configurationPage(),
    'docs/SIGNALS.md': signalsPage(),
  };
}

const CHART = 'deploy/helm/vigil/files';

/** Helm reads nothing outside the chart: alert rules and dashboards lie in it a second time. */
async function chartFiles(root: string, made: Record<string, string>): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [path, text] of Object.entries(made))
    files[`${CHART}/${path.replace(/^alerts\/prometheus/, 'prometheus/prometheus')}`] = text;
  const sources = (await readdir(join(root, 'alerts'))).filter((name) => /^[^.].*\.yaml$/.test(name));
  for (const name of sources.toSorted()) {
    const isRule = !name.startsWith('prometheus.');
    const path = `${CHART}/${isRule ? 'alerts' : 'prometheus'}/${name}`;
    files[path] ??= await readFile(join(root, 'alerts', name), 'utf8');
  }
  return files;
}

const prometheusRules = (from: string, rules: readonly Rule[]): string =>
  `# Made by "npm run generate" from ${from}.\n${stringify(toPrometheusRules(rules), { lineWidth: 0 })}`;

/** A minute apart: thirty days of a series are then 43,200 points, and its raw ones four times as many and more series. */
const recordings = (): string =>
  `# Made by "npm run generate" from the signal catalogue. Panels over thirty days read these.\n${stringify(
    { groups: [{ name: 'vigil-recording', interval: '1m', rules: recordingRules() }] },
    { lineWidth: 0 },
  )}`;
