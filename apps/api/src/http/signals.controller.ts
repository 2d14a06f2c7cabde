import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { findSignal, SIGNALS, type Label, type Signal } from '@vigil/signals';
import { readSeries, type SeriesPoint } from '@vigil/store';
import { ask } from '../database.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { DescribeErrors } from './docs.js';
import { SeriesAnswer, SignalList, type SignalItem } from './dto.js';
import { badParameter } from './errors.js';
import { knownOnly, list, seconds, text, time, type Query as Parameters } from './parameters.js';
import { alignedRange } from './steps.js';

@ApiTags('signals')
@DescribeErrors()
@Controller('api/v1')
export class SignalsController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get('signals')
  @ApiOperation({ summary: 'Everything that Vigil measures' })
  @ApiOkResponse({ type: SignalList })
  signals(@Query() query: Parameters): SignalList {
    knownOnly(query, ['layer']);
    const layer = text(query, 'layer');
    const items = SIGNALS.filter((s) => layer === undefined || s.layer === layer).map(toItem);
    if (items.length === 0)
      throw badParameter(`"layer" is "${layer}": one of infrastructure, service, conversation is expected.`);
    return { items, next: null };
  }

  @Get('series')
  @ApiOperation({
    summary: 'A signal over time',
    description:
      'Every label of the signal can be given as a parameter too, and selects what carries that value. Counted signals: the last step is incomplete until it has passed.',
  })
  @ApiQuery({ name: 'signal', example: 'request.rate' })
  @ApiQuery({
    name: 'from',
    required: false,
    description: 'ISO 8601, Unix seconds, now or now-1h; an hour before "to" unless given',
  })
  @ApiQuery({ name: 'to', required: false, description: 'The same; now unless given' })
  @ApiQuery({ name: 'step', required: false, description: '30s, 5m or seconds; chosen to suit unless given' })
  @ApiQuery({
    name: 'by',
    required: false,
    description: 'Labels, separated by commas; one series for each set of them',
  })
  @ApiOkResponse({ type: SeriesAnswer })
  async series(@Query() query: Parameters): Promise<SeriesAnswer> {
    const signal = requireSignal(query);
    knownOnly(query, ['signal', 'from', 'to', 'step', 'by', ...signal.labels]);
    const now = new Date();
    const to = time(query, 'to', now) ?? now;
    const from = time(query, 'from', now) ?? new Date(to.getTime() - 3600_000);
    const range = alignedRange(from, to, seconds(query, 'step'));
    const by = labelsOf(query, signal);
    const given = signal.labels.map((label) => [label, text(query, label)] as const);
    const matchers = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    const points = await ask(() => readSeries(this.context.store, signal, { ...range, by, matchers }));
    return {
      signal: signal.id,
      unit: signal.unit,
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      step: range.step,
      series: toSeries(points, by),
    };
  }
}

function requireSignal(query: Parameters): Signal {
  const id = text(query, 'signal');
  const signal = id === undefined ? undefined : findSignal(id);
  if (signal) return signal;
  if (id === undefined)
    throw badParameter('"signal" is missing: the id of a signal, as /api/v1/signals lists them, is expected.');
  throw badParameter(`There is no signal "${id}". /api/v1/signals lists them.`);
}

function labelsOf(query: Parameters, signal: Signal): Label[] {
  const labels = [...new Set(list(query, 'by') ?? [])];
  for (const label of labels)
    if (!(signal.labels as readonly string[]).includes(label))
      throw badParameter(`${signal.id} has no label "${label}"; it has ${signal.labels.join(', ')}.`);
  return labels as Label[];
}

function toSeries(points: readonly SeriesPoint[], by: readonly Label[]): SeriesAnswer['series'] {
  const series = new Map<string, SeriesAnswer['series'][number]>();
  for (const { labels, time: at, value, samples } of points) {
    const key = JSON.stringify(by.map((label) => labels[label]));
    let one = series.get(key);
    if (!one) series.set(key, (one = { labels, points: [] }));
    one.points.push([at.getTime() / 1000, value, samples]);
  }
  return [...series].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

const toItem = ({ compute: _compute, promql, labels, metrics, ...rest }: Signal): SignalItem => ({
  ...rest,
  labels: [...labels],
  metrics: [...metrics],
  promql: promql(labels, '5m'),
});
