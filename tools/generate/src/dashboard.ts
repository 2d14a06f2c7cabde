import { PROMETHEUS_LABELS, SIGNALS, type Label, type Layer, type Signal, type Unit } from '@vigil/signals';

const SOURCE = { type: 'prometheus', uid: '${DS_PROMETHEUS}' };
const PANEL = { w: 8, h: 7 };
const COLUMNS = 24 / PANEL.w;

/** Grafana's names of our units. */
const UNITS: Readonly<Record<Unit, string>> = {
  '1': 'percentunit',
  s: 's',
  By: 'bytes',
  Cel: 'celsius',
  W: 'watt',
  Hz: 'hertz',
  '{request}/s': 'reqps',
  'By/s': 'Bps',
  '{token}/s': 'short',
  '{error}/s': 'short',
  '{error}': 'short',
  '{row}': 'short',
  '{event}': 'short',
  '{gpu}': 'short',
  '{process}': 'short',
  '{state}': 'short',
};

const ROWS: readonly [Layer, string, readonly Label[]][] = [
  ['infrastructure', 'Infrastructure', ['node', 'gpu', 'replay']],
  ['service', 'Service', ['model']],
  ['conversation', 'Conversation', ['model']],
];

/** A line where the given rule draws its threshold, by signal. */
export type Thresholds = Readonly<Record<string, number>>;

/** dashboards/vigil-overview.json: the three layers on one screen, for Grafana 11 to 13. */
export function overviewDashboard(thresholds: Thresholds): object {
  const panels: object[] = [];
  let y = 0;
  for (const [layer, title, by] of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      panels: [],
    });
    const signals = SIGNALS.filter((s) => s.layer === layer);
    for (const [i, signal] of signals.entries()) {
      const x = (i % COLUMNS) * PANEL.w;
      panels.push(
        panel(panels.length + 1, signal, by, { x, y: y + Math.floor(i / COLUMNS) * PANEL.h, ...PANEL }, thresholds),
      );
    }
    y += Math.ceil(signals.length / COLUMNS) * PANEL.h;
  }
  return {
    __inputs: [
      {
        name: 'DS_PROMETHEUS',
        label: 'Prometheus',
        type: 'datasource',
        pluginId: 'prometheus',
        pluginName: 'Prometheus',
      },
    ],
    __requires: [
      { type: 'grafana', id: 'grafana', name: 'Grafana', version: '11.0.0' },
      { type: 'datasource', id: 'prometheus', name: 'Prometheus', version: '1.0.0' },
      { type: 'panel', id: 'timeseries', name: 'Time series', version: '' },
    ],
    uid: 'vigil-overview',
    title: 'Vigil / Overview',
    description: 'GPU, service and conversation signals of self-hosted DeepSeek-R1.',
    tags: ['vigil', 'deepseek-r1'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: { list: [variable('node', 'Node'), variable('model', 'Model')] },
    annotations: { list: [] },
    links: [],
    panels,
  };
}

/** A dashboard variable that lists a label's values; "All" also matches series without the label. */
function variable(label: Label, title: string): object {
  // Requests and GPUs may be seen on different nodes: both are asked for.
  const query = `label_values({__name__=~"vigil_requests_total|vigil_gpu_up"}, ${PROMETHEUS_LABELS[label]})`;
  return {
    name: label,
    label: title,
    type: 'query',
    datasource: SOURCE,
    definition: query,
    query: { query, refId: label },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

function panel(id: number, signal: Signal, by: readonly Label[], gridPos: object, thresholds: Thresholds): object {
  const limit = thresholds[signal.id];
  return {
    id,
    type: 'timeseries',
    title: signal.title,
    description: `${signal.description}\n\nSignal: ${signal.id}`,
    datasource: SOURCE,
    gridPos,
    targets: [
      {
        refId: 'A',
        datasource: SOURCE,
        editorMode: 'code',
        range: true,
        expr: withVariables(signal, by),
        legendFormat: by.map((label) => `{{${PROMETHEUS_LABELS[label]}}}`).join(' '),
      },
    ],
    fieldConfig: {
      defaults: {
        unit: UNITS[signal.unit],
        min: 0,
        ...(signal.unit === '1' && { max: 1 }),
        custom: {
          drawStyle: 'line',
          fillOpacity: 8,
          lineWidth: 1,
          showPoints: 'never',
          spanNulls: false,
          thresholdsStyle: { mode: limit === undefined ? 'off' : 'dashed' },
        },
        thresholds: {
          mode: 'absolute',
          steps: [{ color: 'green', value: null }, ...(limit === undefined ? [] : [{ color: 'red', value: limit }])],
        },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

/** The signal's PromQL, filtered by the dashboard's variables (`=~`, which a plain matcher does not say). */
function withVariables(signal: Signal, by: readonly Label[]): string {
  const wanted = (['node', 'model'] as const).filter((label) => signal.labels.includes(label));
  const matchers = Object.fromEntries(wanted.map((label) => [label, `@${label}@`]));
  return signal
    .promql(by, '$__rate_interval', matchers)
    .replaceAll(/="@(\w+)@"/g, (_, label: string) => `=~"$${label}"`);
}
