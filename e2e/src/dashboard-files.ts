import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '@vigil/launch';

export interface Target {
  refId: string;
  datasource: { type: string; uid: string };
  expr?: string;
  instant?: boolean;
  rawSql?: string;
}

export interface PanelFile {
  id: number;
  type: string;
  title: string;
  targets?: Target[];
  panels?: PanelFile[];
  timeFrom?: string;
}

export interface DashboardJson {
  uid: string;
  title: string;
  panels: PanelFile[];
  templating: {
    list: { name: string; type: string; query?: string | { query: string }; datasource?: { uid: string } }[];
  };
  annotations: { list: { name: string; expr: string }[] };
}

export interface Query {
  dashboard: string;
  panel: string;
  target: Target;
}

const FOLDER = join(ROOT, 'dashboards');

/** The dashboards of one folder of `dashboards/`, `.` or `zh`, by their names. */
export async function readDashboards(folder: string): Promise<Map<string, DashboardJson>> {
  const names = (await readdir(join(FOLDER, folder))).filter((name) => name.endsWith('.json')).toSorted();
  const read = async (name: string) =>
    [name, JSON.parse(await readFile(join(FOLDER, folder, name), 'utf8')) as DashboardJson] as const;
  return new Map(await Promise.all(names.map(read)));
}

/** Every panel that shows something, those of folded rows among them. */
export const panelsOf = ({ panels }: DashboardJson): PanelFile[] =>
  panels.flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]));

export const queriesOf = (dashboard: DashboardJson): Query[] =>
  panelsOf(dashboard).flatMap(({ title, targets = [] }) =>
    targets.map((target) => ({ dashboard: dashboard.title, panel: title, target })),
  );

/** What the variables stand for while everything is chosen, and what Grafana's macros become at this pace. */
const PROMQL: Readonly<Record<string, string>> = { $__rate_interval: '10s', $__interval: '5s', $objective: '0.995' };

/** @throws Error where something of Grafana's is left that this does not know */
export function plainPromql(expr: string): string {
  const plain = expr
    .replaceAll(/\$(__rate_interval|__interval|objective)\b/g, (name) => PROMQL[name]!)
    .replaceAll(/\$(node|gpu|model|engine|server)\b/g, '.*');
  if (plain.includes('$')) throw new Error(`Not understood in ${expr}: ${plain}`);
  return plain;
}

/** As Grafana's PostgreSQL source writes its macros out. */
export function plainSql(sql: string, span: { from: Date; to: Date }): string {
  const at = (time: Date) => `'${time.toISOString()}'`;
  const plain = sql
    .replaceAll(
      /\$__timeFilter\(([^)]+)\)/g,
      (_, column: string) => `${column} BETWEEN ${at(span.from)} AND ${at(span.to)}`,
    )
    .replaceAll(/\$__timeGroup\(([^,]+),\s*\$__interval\)/g, 'floor(extract(epoch from $1)/5)*5')
    .replaceAll(/\$\{(node|gpu|model|engine|rule):regex\}/g, '.*');
  if (/\$[^')]/.test(plain)) throw new Error(`Not understood in ${sql}: ${plain}`);
  return plain;
}

const WORDS = new Set('by without on ignoring group_left group_right or and unless bool offset'.split(' '));

/** The metrics that an expression selects. */
export function metricsIn(expr: string): string[] {
  const bare = plainPromql(expr)
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const names = [...bare.matchAll(/(?<![\w:.])[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\(|[a-zA-Z0-9_:])/g)].map(([name]) => name);
  return [...new Set(names.filter((name) => !WORDS.has(name)))];
}

/** Metrics that an exposition tells of, whether or not they have a series; a histogram's parts among them. */
export function metricsOf(exposition: string): string[] {
  return [...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name!],
  );
}
