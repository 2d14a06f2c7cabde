import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  ScaleDistribution,
  ScaleDistributionConfigBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  FieldColorBuilder,
  FieldColorModeId,
  type DataTransformerConfig,
  type DynamicConfigValue,
  type GridPos,
  type Panel,
  type Threshold,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmaps from '@grafana/grafana-foundation-sdk/heatmap';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { COLOURS, plain, SERIES_COLOURS, thresholds } from './meaning.js';
import { POSTGRES, PROMETHEUS, promQuery, REPLAY, SqlQuery, type Query } from './queries.js';

/** A panel of any kind, with its size in cells of the grid of 24 columns. */
export interface Placed {
  w: number;
  h: number;
  panel: Builder<Panel> & { id(id: number): unknown; gridPos(at: GridPos): unknown };
}

interface Common {
  title: string;
  description: string;
  w: number;
  h: number;
  unit: string;
}

export interface ChartOptions extends Common {
  queries: readonly Query[];
  steps?: Threshold[];
  max?: number;
  softMax?: number;
  stacked?: boolean;
  mappings?: ValueMapping[];
  /** Its own range, whatever the dashboard's is: `30d`. */
  range?: string;
  /** The distance of two points, where the default would be too fine. */
  interval?: string;
}

/** Lines over time. A rule's lines are dashed. */
export function chart(options: ChartOptions): Placed {
  const { title, description, unit, queries, steps = plain(), w, h } = options;
  const hasLine = steps.some(({ value }) => value !== null && value !== 0);
  const panel = new TimeSeriesBuilder()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .targets(queries.map(promQuery))
    .unit(unit)
    .min(0)
    .fillOpacity(options.stacked ? 40 : 8)
    .lineWidth(options.stacked ? 0 : 1)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .thresholds(thresholds(steps))
    .thresholdsStyle(
      new GraphThresholdsStyleConfigBuilder().mode(
        hasLine ? GraphThresholdsStyleMode.Dashed : GraphThresholdsStyleMode.Off,
      ),
    )
    .stacking(new StackingConfigBuilder().mode(options.stacked ? StackingMode.Normal : StackingMode.None).group('A'))
    .legend(legend())
    .tooltip(tooltip(TooltipDisplayMode.Multi, SortOrder.Descending));
  if (options.max !== undefined) panel.max(options.max);
  if (options.softMax !== undefined) panel.axisSoftMax(options.softMax);
  if (options.mappings) panel.mappings(options.mappings);
  if (options.range !== undefined) panel.timeFrom(options.range);
  if (options.interval !== undefined) panel.interval(options.interval);
  if (queries.some(({ legend }) => legend.includes(REPLAY))) panel.transformations(REPLAY_IN_WORDS);
  for (const [name, color] of Object.entries(SERIES_COLOURS))
    if (queries.some(({ legend }) => mayBeCalled(legend, name))) panel.overrideByName(name, [fixed(color)]);
  return { w, h, panel };
}

/** Of a real GPU nothing is said; a replayed one is told from it. */
const REPLAY_IN_WORDS: DataTransformerConfig[] = [
  { id: 'renameByRegex', options: { regex: `^(.*) ${REPLAY}false$`, renamePattern: '$1' } },
  { id: 'renameByRegex', options: { regex: `^(.*) ${REPLAY}true$`, renamePattern: '$1 (replay)' } },
];

/** Series by outcome, kind or state are called by their label's value; percentiles by their own name. */
const LABELS_WITH_MEANING: Readonly<Record<string, readonly string[]>> = {
  '{{outcome}}': ['ok', 'error', 'rejection', 'cancellation'],
  '{{kind}}': ['input', 'output', 'reasoning'],
  '{{result}}': ['sent', 'retry', 'dead'],
};
const mayBeCalled = (legend: string, name: string): boolean =>
  legend === name || (LABELS_WITH_MEANING[legend]?.includes(name) ?? false);

const fixed = (color: string): DynamicConfigValue => ({
  id: 'color',
  value: { mode: FieldColorModeId.Fixed, fixedColor: color },
});

export interface StatOptions extends Common {
  queries: readonly Query[];
  steps?: Threshold[];
  decimals?: number;
}

/** One figure that can be read from across the room. */
export function stat(options: StatOptions): Placed {
  const { title, description, unit, queries, steps = plain(), w, h } = options;
  const panel = new StatBuilder()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .targets(queries.map((query, i) => promQuery({ ...query, instant: true }, i)))
    .unit(unit)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .thresholds(thresholds(steps))
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .textMode(queries.length > 1 ? BigValueTextMode.ValueAndName : BigValueTextMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .noValue('–');
  if (options.decimals !== undefined) panel.decimals(options.decimals);
  return { w, h, panel };
}

/** The same from PostgreSQL: the query answers one row with one number. */
export function sqlStat(options: Omit<StatOptions, 'queries'> & { sql: string }): Placed {
  const placed = stat({ ...options, queries: [] });
  (placed.panel as StatBuilder).datasource(POSTGRES).targets([new SqlQuery(options.sql)]);
  return placed;
}

/** Bars over time from PostgreSQL: the query answers `time`, `metric` and `value`. */
export function sqlChart(options: Omit<ChartOptions, 'queries'> & { sql: string }): Placed {
  const placed = chart({ ...options, queries: [], stacked: true });
  (placed.panel as TimeSeriesBuilder)
    .datasource(POSTGRES)
    .targets([new SqlQuery(options.sql, 'time_series')])
    .drawStyle(GraphDrawStyle.Bars);
  return placed;
}

export interface Column {
  /** As the query calls it. */
  name: string;
  title: string;
  unit?: string;
  width?: number;
  mappings?: ValueMapping[];
  link?: { title: string; url: string };
  hidden?: true;
}

interface TableOptions extends Common {
  columns: readonly Column[];
}

export const sqlTable = (options: TableOptions & { sql: string }): Placed =>
  table(options, (panel) => panel.datasource(POSTGRES).targets([new SqlQuery(options.sql)]));

/** A table of the labels of a metric's series, or of values by label. */
export const promTable = (options: TableOptions & { query: Query }): Placed =>
  table(options, (panel) =>
    panel
      .datasource(PROMETHEUS)
      .targets([promQuery({ ...options.query, instant: true, format: 'table' }, 0)])
      .withTransformation({ id: 'organize', options: order(options.columns) }),
  );

function table(options: TableOptions, fill: (panel: TableBuilder) => TableBuilder): Placed {
  const { title, description, unit, columns, w, h } = options;
  const panel = fill(new TableBuilder().title(title).description(description).unit(unit).showHeader(true).noValue('–'));
  panel.colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds)).thresholds(thresholds(plain('text')));
  for (const column of columns) panel.overrideByName(column.name, propertiesOf(column));
  return { w, h, panel };
}

function propertiesOf({ title, unit, width, mappings, link, hidden }: Column): DynamicConfigValue[] {
  const properties: DynamicConfigValue[] = [{ id: 'displayName', value: title }];
  if (unit !== undefined) properties.push({ id: 'unit', value: unit });
  if (width !== undefined) properties.push({ id: 'custom.width', value: width });
  if (mappings)
    properties.push({ id: 'mappings', value: mappings }, { id: 'custom.cellOptions', value: { type: 'color-text' } });
  if (link) properties.push({ id: 'links', value: [{ ...link, targetBlank: true }] });
  if (hidden) properties.push({ id: 'custom.hideFrom.viz', value: true }, { id: 'custom.hidden', value: true });
  return properties;
}

/** Only the columns that are named, in their order: Prometheus answers every label and the time. */
const order = (columns: readonly Column[]) => ({
  includeByName: Object.fromEntries(columns.map(({ name }) => [name, true])),
  indexByName: Object.fromEntries(columns.map(({ name }, i) => [name, i])),
});

/** Where values lie: the darker, the more of them. */
export function heatmap(options: Common & { query: Query }): Placed {
  const { title, description, unit, query, w, h } = options;
  const panel = new heatmaps.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .targets([promQuery(query, 0)])
    .unit(unit)
    .calculate(false)
    .cellGap(1)
    .color(
      new heatmaps.HeatmapColorOptionsBuilder()
        .mode(heatmaps.HeatmapColorMode.Scheme)
        .scheme('Blues')
        .fill('blue')
        .scale(heatmaps.HeatmapColorScale.Exponential)
        .exponent(0.5)
        .steps(64)
        .reverse(false),
    )
    .yAxis(new heatmaps.YAxisConfigBuilder().unit(unit).min(0))
    .cellValues(new heatmaps.CellValuesBuilder().unit('short').decimals(0))
    .filterValues(new heatmaps.FilterValueRangeBuilder().le(1e-9))
    .scaleDistribution(new ScaleDistributionConfigBuilder().type(ScaleDistribution.Linear))
    .tooltip(new heatmaps.HeatmapTooltipBuilder().mode(TooltipDisplayMode.Single).yHistogram(true))
    .showLegend();
  return { w, h, panel };
}

/** States over time, by colour. */
export function states(options: Common & { queries: readonly Query[]; mappings: ValueMapping[] }): Placed {
  const { title, description, unit, queries, mappings, w, h } = options;
  const panel = new StateTimelineBuilder()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .targets(queries.map(promQuery))
    .unit(unit)
    .mappings(mappings)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .thresholds(thresholds(plain(COLOURS.nothing)))
    .mergeValues(true)
    .showValue(VisibilityMode.Never)
    .rowHeight(0.8)
    .fillOpacity(80)
    .lineWidth(0)
    .legend(legend())
    .tooltip(tooltip(TooltipDisplayMode.Single, SortOrder.None));
  return { w, h, panel };
}

const legend = (): VizLegendOptionsBuilder =>
  new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(true)
    .calcs([]);

const tooltip = (mode: TooltipDisplayMode, order: SortOrder): VizTooltipOptionsBuilder =>
  // oxlint-disable-next-line unicorn/no-array-sort -- a builder's, not an array's
  new VizTooltipOptionsBuilder().mode(mode).sort(order);

/** Values that are words: `[value, word, colour]`. */
export const mapped = (
  ...values: readonly (readonly [value: string, text: string, color: string])[]
): ValueMapping[] => [
  {
    type: 'value' as ValueMapping['type'] & 'value',
    options: Object.fromEntries(values.map(([value, text, color], index) => [value, { text, color, index }])),
  } as ValueMapping,
];
