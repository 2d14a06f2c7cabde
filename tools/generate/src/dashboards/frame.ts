import {
  AnnotationQueryBuilder,
  CustomVariableBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
  type Dashboard,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import { PROMETHEUS_LABELS, type Label } from '@vigil/signals';
import { layOut, type Row } from './layout.js';
import { COLOURS } from './meaning.js';
import { POSTGRES, PROMETHEUS } from './queries.js';
import { say, type Language, type Words } from './words.js';

export interface Frame {
  uid: string;
  title: Words;
  description: Words;
  /** Variables by which its panels are filtered. */
  filters: readonly Label[];
  /** Whether panels ask PostgreSQL. */
  sql: boolean;
  more?: readonly Builder<VariableModel>[];
  rows: readonly Row[];
}

/** What Grafana asks for when a file is imported; provisioning leaves it unread. */
interface Input {
  name: string;
  label: string;
  description: string;
  type: 'datasource';
  pluginId: string;
  pluginName: string;
}

export type DashboardFile = Dashboard & { __inputs: Input[]; __requires: object[] };

/** The model of Grafana 11; later ones bring it up to theirs when they load it. */
const SCHEMA_VERSION = 39;

/** A dashboard in one language, for Grafana 11 to 13. */
export function frame(
  language: Language,
  { uid, title, description, filters, sql, more = [], rows }: Frame,
): DashboardFile {
  const suffix = language === 'en' ? '' : `-${language}`;
  const builder = new DashboardBuilder(`Vigil / ${say(language, title)}`)
    .uid(`${uid}${suffix}`)
    .description(say(language, description))
    .tags(['vigil', `vigil-dashboard${suffix}`])
    .timezone('browser')
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .editable()
    .version(1)
    .variables([
      source('datasource', 'Prometheus', 'prometheus', 'DS_PROMETHEUS'),
      ...(sql ? [source('postgres', 'PostgreSQL', POSTGRES.type, 'DS_POSTGRES')] : []),
      ...filters.map((label) => filter(label, language)),
      ...more,
      new TextBoxVariableBuilder('vigil')
        .label('Vigil')
        .description(
          say(language, ["Address of Vigil's API, as your browser reaches it", 'Vigil API 的地址（浏览器可访问）']),
        )
        .defaultValue(ADDRESS)
        .current({ text: ADDRESS, value: ADDRESS }),
    ])
    .annotations(annotations(language))
    .links(links(language, suffix));
  const { panels, types } = layOut(language, rows);
  const built = builder.build();
  return {
    __inputs: [PROMETHEUS_INPUT, ...(sql ? [POSTGRES_INPUT] : [])],
    __requires: [
      { type: 'grafana', id: 'grafana', name: 'Grafana', version: '11.0.0' },
      { type: 'datasource', id: 'prometheus', name: 'Prometheus', version: '1.0.0' },
      ...(sql ? [{ type: 'datasource', id: POSTGRES.type, name: 'PostgreSQL', version: '1.0.0' }] : []),
      ...types.map((id) => ({ type: 'panel', id, name: id, version: '' })),
    ],
    ...built,
    links: built.links?.map(tidy),
    annotations: { list: built.annotations?.list?.map(tidy) },
    templating: { list: built.templating?.list?.map(tidy) },
    schemaVersion: SCHEMA_VERSION,
    panels,
  };
}

/** What the SDK adds unasked: it hides links and annotations in a menu, and gives every variable an interval's settings. */
const LEFTOVERS = new Set(['placement', 'auto', 'auto_min', 'auto_count']);
const tidy = <T extends object>(item: T): T =>
  Object.fromEntries(Object.entries(item).filter(([name]) => !LEFTOVERS.has(name))) as T;

const ADDRESS = 'http://127.0.0.1:8080';

const PROMETHEUS_INPUT: Input = {
  name: 'DS_PROMETHEUS',
  label: 'Prometheus',
  description: 'The Prometheus that scrapes Vigil, or what it writes to.',
  type: 'datasource',
  pluginId: 'prometheus',
  pluginName: 'Prometheus',
};
const POSTGRES_INPUT: Input = {
  name: 'DS_POSTGRES',
  label: 'PostgreSQL',
  description: "Vigil's own database; a role that may only read is enough.",
  type: 'datasource',
  pluginId: POSTGRES.type,
  pluginName: 'PostgreSQL',
};

/**
 * A data source that can be chosen. An import puts the one that was chosen into `current`; where the file is provisioned,
 * Grafana finds no such source and takes the first of its kind.
 */
function source(name: string, label: string, type: string, input: string): DatasourceVariableBuilder {
  const value = `\${${input}}`;
  return new DatasourceVariableBuilder(name)
    .label(label)
    .type(type)
    .allowCustomValue(false)
    .current({ text: value, value });
}

const FILTERS: Readonly<Partial<Record<Label, { words: Words; metric: string }>>> = {
  // Requests, GPUs and nodes may be seen by different collectors: all are asked for.
  node: { words: ['Node', '节点'], metric: 'vigil_requests_total|vigil_gpu_info|vigil_node_up' },
  gpu: { words: ['GPU', 'GPU'], metric: 'vigil_gpu_info|vigil_gpu_device_up' },
  model: { words: ['Model', '模型'], metric: 'vigil_requests_total|vigil_engine_requests_running' },
  engine: { words: ['Engine', '引擎'], metric: 'vigil_requests_total' },
  server: { words: ['Engine', '引擎'], metric: 'vigil_engine_up' },
};

/** Lists a label's values; "All" also matches series without the label. */
function filter(label: Label, language: Language): QueryVariableBuilder {
  const { words, metric } = FILTERS[label]!;
  const among = metric.includes('|') ? `{__name__=~"${metric}"}` : metric;
  const query = `label_values(${among}, ${PROMETHEUS_LABELS[label]})`;
  return listed(label, say(language, words), PROMETHEUS).query({ qryType: 1, query, refId: label }).allValue('.*');
}

/** A variable whose values are asked for, in the order of the alphabet; all of them unless some are chosen. */
export const listed = (name: string, label: string, source: { type: string; uid: string }): QueryVariableBuilder =>
  new QueryVariableBuilder(name)
    .label(label)
    .datasource(source)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    // oxlint-disable-next-line unicorn/no-array-sort -- a builder's, not an array's
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .current({ text: 'All', value: '$__all' });

/** The share of requests that shall be answered well; at first that of the rule AvailabilityBudgetBurning. */
export const objective = (language: Language): Builder<VariableModel> =>
  new CustomVariableBuilder('objective')
    .label(say(language, ['Objective', '目标']))
    .values('99 % : 0.99,99.5 % : 0.995,99.9 % : 0.999')
    .current({ text: '99.9 %', value: '0.999' });

function annotations(language: Language): AnnotationQueryBuilder[] {
  const query = (words: Words, color: string, expr: string, title: string, text: string) =>
    new AnnotationQueryBuilder()
      .name(say(language, words))
      .datasource(PROMETHEUS)
      .enable(true)
      .iconColor(color)
      .expr(expr)
      .step('60s')
      .titleFormat(title)
      .textFormat(text);
  // A series that was not there within the last hour: a scrape that was missed is no change.
  const appeared = (metric: string, labels: string) =>
    `group by (${labels}) (${metric}) unless group by (${labels}) (last_over_time(${metric}[1h] offset 2m))`;
  return [
    query(
      ['Alerts that fire', '触发的告警'],
      COLOURS.bad,
      'sum by (rule) (vigil_alerts{state="firing"}) > 0',
      '{{rule}}',
      '',
    ),
    query(
      ['Model changed', '模型变更'],
      COLOURS.neutral,
      appeared('vigil_runtime_model_info', 'model, architecture, device, engine'),
      '{{model}}',
      '{{architecture}}, {{engine}}, {{device}}',
    ),
    query(
      ['Version changed', '版本变更'],
      'purple',
      appeared('vigil_build_info', 'service, version'),
      '{{service}} {{version}}',
      '',
    ),
  ];
}

function links(language: Language, suffix: string): DashboardLinkBuilder[] {
  const outside = (words: Words, path: string) =>
    new DashboardLinkBuilder(say(language, words))
      .type(DashboardLinkType.Link)
      .icon('external link')
      .url(`\${vigil:raw}${path}`)
      .targetBlank(true);
  return [
    new DashboardLinkBuilder(say(language, ['Dashboards', '仪表盘']))
      .type(DashboardLinkType.Dashboards)
      .tags([`vigil-dashboard${suffix}`])
      .asDropdown(false)
      .includeVars(true)
      .keepTime(true),
    outside(['Vigil', 'Vigil'], '/'),
    outside(['API', 'API'], '/docs'),
  ];
}
