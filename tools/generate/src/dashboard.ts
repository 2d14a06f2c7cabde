import { findSignal, PROMETHEUS_LABELS, SIGNALS, type Label, type Layer, type Signal, type Unit } from '@vigil/signals';

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
  '{request}': 'short',
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

/** Signals that belong together, and the labels that their lines are told apart by. */
interface Row {
  by: readonly Label[];
  signals: readonly Signal[];
}

/** A line where a rule draws its threshold, by signal. */
export type Thresholds = Readonly<Record<string, number>>;

const signals = (ids: string): Signal[] =>
  ids.split(' ').map((id) => {
    const signal = findSignal(id);
    if (!signal) throw new Error(`There is no signal "${id}": a dashboard names it.`);
    return signal;
  });
const ofLayer = (layer: Layer): Signal[] => SIGNALS.filter((s) => s.layer === layer);

const GPU: readonly Label[] = ['node', 'gpu', 'replay'];

/** What tells at a glance whether GPUs and nodes are well; the rest has a dashboard of its own. */
const GLANCE: readonly Row[] = [
  {
    by: GPU,
    signals: signals(
      'gpu.memory.ratio gpu.utilization gpu.power gpu.temperature gpu.temperature.margin gpu.throttle.hw_slowdown',
    ),
  },
  { by: ['node', 'gpu', 'code', 'replay'], signals: signals('gpu.xid.count') },
  { by: ['node'], signals: signals('gpu.missing node.silence node.cpu.ratio node.memory.ratio') },
];

/** dashboards/vigil-overview.json: the three layers on one screen, for Grafana 11 to 13. */
export function overviewDashboard(thresholds: Thresholds): object {
  return dashboard(
    {
      uid: 'vigil-overview',
      title: 'Vigil / Overview',
      description: 'GPU, service and conversation signals of self-hosted DeepSeek-R1.',
      variables: ['node', 'model'],
    },
    [
      { title: 'Infrastructure', rows: GLANCE },
      { title: 'Service', rows: [{ by: ['model'], signals: ofLayer('service') }] },
      { title: 'Conversation', rows: [{ by: ['model'], signals: ofLayer('conversation') }] },
    ],
    thresholds,
  );
}

/** dashboards/vigil-infrastructure.json: everything that is known of GPUs and nodes. */
export function infrastructureDashboard(thresholds: Thresholds): object {
  const all = ofLayer('infrastructure');
  const pick = (test: (signal: Signal) => boolean) => all.filter(test);
  const isLink = ({ id }: Signal) => /^gpu\.(pcie|nvlink)\./.test(id);
  const isThrottle = ({ id }: Signal) => id.startsWith('gpu.throttle.');
  const isPresence = ({ compute }: Signal) => compute.kind === 'age' || compute.kind === 'missing';
  const isHealth = ({ id }: Signal) => /^gpu\.(xid|recovery|ecc|remap)\./.test(id);
  const isNode = ({ id }: Signal) => id.startsWith('node.');
  const isLoad = (s: Signal) => ![isLink, isThrottle, isPresence, isHealth, isNode].some((test) => test(s));
  const row = (title: string, by: readonly Label[], found: readonly Signal[]) => ({
    title,
    rows: [{ by, signals: found }],
  });
  const isXid = ({ compute }: Signal) => compute.kind === 'count';
  return dashboard(
    {
      uid: 'vigil-infrastructure',
      title: 'Vigil / Infrastructure',
      description: 'Every GPU and node of self-hosted DeepSeek-R1.',
      variables: ['node', 'gpu'],
    },
    [
      {
        title: 'What is there',
        rows: [
          { by: ['node'], signals: pick((s) => isPresence(s) && !s.labels.includes('gpu')) },
          { by: GPU, signals: pick((s) => isPresence(s) && s.labels.includes('gpu')) },
        ],
      },
      {
        title: 'GPU health',
        rows: [
          { by: ['node', 'gpu', 'class', 'code', 'replay'], signals: pick(isXid) },
          { by: GPU, signals: pick((s) => isHealth(s) && !isXid(s)) },
        ],
      },
      row('GPU load', GPU, pick(isLoad)),
      row('GPU slowdown', GPU, pick(isThrottle)),
      row('GPU links', GPU, pick(isLink)),
      row(
        'Node',
        ['node'],
        pick((s) => isNode(s) && !isPresence(s)),
      ),
    ],
    thresholds,
  );
}

interface Frame {
  uid: string;
  title: string;
  description: string;
  variables: readonly Label[];
}

interface Section {
  title: string;
  rows: readonly Row[];
}

function dashboard(frame: Frame, sections: readonly Section[], thresholds: Thresholds): object {
  const panels: object[] = [];
  let y = 0;
  for (const { title, rows } of sections) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      panels: [],
    });
    const shown = rows.flatMap(({ by, signals }) => signals.map((signal) => ({ signal, by })));
    for (const [i, { signal, by }] of shown.entries()) {
      const gridPos = { x: (i % COLUMNS) * PANEL.w, y: y + Math.floor(i / COLUMNS) * PANEL.h, ...PANEL };
      panels.push(panel(panels.length + 1, signal, by, gridPos, frame.variables, thresholds));
    }
    y += Math.ceil(shown.length / COLUMNS) * PANEL.h;
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
    uid: frame.uid,
    title: frame.title,
    description: frame.description,
    tags: ['vigil', 'deepseek-r1'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: { list: frame.variables.map(variable) },
    annotations: { list: [] },
    links: [],
    panels,
  };
}

const VARIABLES: Readonly<Partial<Record<Label, string>>> = { node: 'Node', gpu: 'GPU', model: 'Model' };

/** A dashboard variable that lists a label's values; "All" also matches series without the label. */
function variable(label: Label): object {
  // Requests, GPUs and nodes may be seen by different collectors: all are asked for.
  const metrics = 'vigil_requests_total|vigil_gpu_up|vigil_gpu_info|vigil_node_last_sample_timestamp_seconds';
  const query = `label_values({__name__=~"${metrics}"}, ${PROMETHEUS_LABELS[label]})`;
  return {
    name: label,
    label: VARIABLES[label],
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

function panel(
  id: number,
  signal: Signal,
  by: readonly Label[],
  gridPos: object,
  variables: readonly Label[],
  thresholds: Thresholds,
): object {
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
        expr: withVariables(signal, by, variables),
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
function withVariables(signal: Signal, by: readonly Label[], variables: readonly Label[]): string {
  const wanted = variables.filter((label) => signal.labels.includes(label));
  const matchers = Object.fromEntries(wanted.map((label) => [label, `@${label}@`]));
  return signal
    .promql(by, '$__rate_interval', matchers)
    .replaceAll(/="@(\w+)@"/g, (_, label: string) => `=~"$${label}"`);
}
