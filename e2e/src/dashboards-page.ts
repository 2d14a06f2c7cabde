import type { Query } from './dashboard-files.js';

export const COMMAND = 'npm run dashboards';

export interface Answer extends Query {
  /** Finite samples of Prometheus, rows of PostgreSQL. */
  samples: number;
}

const cell = (text: string): string => `\`${text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')}\``;

/** A row of the page without its number: what can be compared with the dashboards at any time. */
export const rowStart = ({ panel, target }: Query): string => {
  const source =
    target.expr === undefined ? 'PostgreSQL' : target.instant ? 'Prometheus, instant' : 'Prometheus, range';
  return `| ${panel} | ${source} | ${cell(target.expr ?? target.rawSql ?? '')} |`;
};

/**
 * docs/DASHBOARDS.md: which query of which panel was run against what, and how many samples came back.
 * @param empty why panels are rightly empty, by `dashboard: panel`
 */
export function dashboardsPage(
  answers: readonly Answer[],
  empty: Readonly<Record<string, string>>,
  where: string,
): string {
  const byDashboard = [...Map.groupBy(answers, ({ dashboard }) => dashboard)];
  const reason = ({ dashboard, panel, samples }: Answer) =>
    samples > 0 ? '' : ` ${empty[`${dashboard}: ${panel}`] ?? ''}`;
  const tables = byDashboard.map(([title, rows]) => {
    const lines = rows.map((answer) => `${rowStart(answer)} ${answer.samples}${reason(answer)} |`);
    return `## ${title}\n\n| panel | asked | query | samples |\n| --- | --- | --- | --- |\n${lines.join('\n')}\n`;
  });
  return `# Dashboards

What each panel of \`dashboards/*.json\` asks, and what came back when it was asked: finite samples of Prometheus, rows of
PostgreSQL. Everything of Vigil ran, with a replayed GPU, the bundled model, a second runtime before the first, and a server
that says what a vLLM under load would; nothing was asked of a Grafana. Variables stood at "All". The Chinese dashboards in
\`dashboards/zh\` ask the same.

Run ${where} by \`${COMMAND}\`.

How to import them and how to have them provisioned is said in [GRAFANA.md](GRAFANA.md).

<!-- prettier-ignore-start -->

${tables.join('\n')}
<!-- prettier-ignore-end -->
`;
}
