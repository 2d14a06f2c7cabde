import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import { DataqueryBuilder, PromQueryFormat, QueryEditorMode } from '@grafana/grafana-foundation-sdk/prometheus';
import { PROMETHEUS_LABELS, recorded, type Aggregate, type Label, type Matchers, type Signal } from '@vigil/signals';

/** Which data source is asked is a variable of the dashboard: one file serves an import and provisioning alike. */
export const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' };
export const POSTGRES = { type: 'grafana-postgresql-datasource', uid: '${postgres}' };

/** The shortest window in which Prometheus sees two scrapes, whatever is looked at. */
const WINDOW = '$__rate_interval';

/** Stands last in a legend; the panel makes words of it. */
export const REPLAY = 'replay=';

export interface Query {
  expr: string;
  /** `{{label}}` stands for a label's value. */
  legend: string;
  /** The value at the end of the range alone. */
  instant?: true;
  format?: 'table' | 'heatmap';
}

export function promQuery(query: Query, index: number): DataqueryBuilder {
  const builder = new DataqueryBuilder()
    .refId(String.fromCharCode(65 + index))
    .datasource(PROMETHEUS)
    .editorMode(QueryEditorMode.Code)
    .expr(query.expr)
    .legendFormat(query.legend);
  if (query.format === 'table') builder.format(PromQueryFormat.Table);
  if (query.format === 'heatmap') builder.format(PromQueryFormat.Heatmap);
  return query.instant ? builder.instant() : builder.range();
}

/** A query of PostgreSQL, for which Grafana's SDK has no builder. */
export class SqlQuery implements Builder<Dataquery> {
  constructor(
    private readonly sql: string,
    private readonly format: 'table' | 'time_series' = 'table',
  ) {}

  build(): Dataquery {
    const query = {
      refId: 'A',
      datasource: POSTGRES,
      editorMode: 'code',
      rawQuery: true,
      format: this.format,
      rawSql: this.sql.replaceAll(/\n\s*/g, '\n').trim(),
    };
    return query as unknown as Dataquery;
  }
}

/** `node=~"$node"` for each variable, as a metric's labels call it. */
export const where = (...labels: readonly Label[]): string =>
  labels.map((label) => `${PROMETHEUS_LABELS[label]}=~"$${label}"`).join(',');

/** A matcher that says `=~`, which the catalogue's matchers do not. */
const marked = (labels: readonly Label[]): Matchers => Object.fromEntries(labels.map((label) => [label, `@${label}@`]));
const unmarked = (expr: string): string => expr.replaceAll(/="@(\w+)@"/g, (_, label: string) => `=~"$${label}"`);

/** Says what a bare number would not. */
const NAMED: Readonly<Partial<Record<Label, string>>> = { gpu: 'GPU ', code: 'XID ', replay: REPLAY };

const legendOf = (by: readonly Label[]): string =>
  by.map((label) => `${NAMED[label] ?? ''}{{${PROMETHEUS_LABELS[label]}}}`).join(' ');

export interface Asked {
  by?: readonly Label[];
  /** Variables of the dashboard. */
  filters: readonly Label[];
  window?: string;
  how?: Aggregate;
  legend?: string;
  /** Wanted values of labels. */
  only?: Matchers;
}

/** A signal's PromQL, filtered by those of the dashboard's variables whose label it has. */
export function signalQuery(signal: Signal, { by = [], filters, window = WINDOW, how, legend, only }: Asked): Query {
  const matchers = { ...only, ...marked(filters.filter((label) => signal.labels.includes(label))) };
  return { expr: unmarked(signal.promql(by, window, matchers, how)), legend: legend ?? legendOf(by) };
}

/** The same from what was recorded, over hours or days. */
export function recordedQuery(signal: Signal, { by = [], filters, window = WINDOW, how, legend }: Asked): Query {
  const kept: readonly Label[] = signal.compute.fact === 'request' ? ['node', 'engine', 'model'] : signal.labels;
  const matchers = marked(filters.filter((label) => kept.includes(label)));
  return { expr: unmarked(recorded(signal, by, window, matchers, how)), legend: legend ?? legendOf(by) };
}

/** A share of a histogram below which that part lies. */
export function quantileQuery(metric: string, share: number, matchers: string, by: readonly string[] = []): Query {
  const buckets = `sum by (${['le', ...by].join(', ')}) (rate(${selected(`${metric}_bucket`, matchers)}[${WINDOW}]))`;
  const name = `p${share * 100}`;
  return {
    expr: `histogram_quantile(${share}, ${buckets})`,
    legend: [...by.map((label) => `{{${label}}}`), name].join(' '),
  };
}

const selected = (metric: string, matchers: string): string => (matchers === '' ? metric : `${metric}{${matchers}}`);

/** What a counter grew a second. */
export const rateQuery = (metric: string, matchers: string, by: readonly string[], legend?: string): Query => ({
  expr: `sum by (${by.join(', ')}) (rate(${selected(metric, matchers)}[${WINDOW}]))`,
  legend: legend ?? by.map((label) => `{{${label}}}`).join(' '),
});

/** How many values fell into each bucket. */
export const bucketQuery = (metric: string, matchers: string): Query => ({
  expr: `sum by (le) (increase(${selected(`${metric}_bucket`, matchers)}[${WINDOW}]))`,
  legend: '{{le}}',
  format: 'heatmap',
});
