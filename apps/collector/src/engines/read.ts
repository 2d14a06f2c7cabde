import { parseExposition, type Series } from '@vigil/gpu';
import { EXPECTED, MEASURES, PREFIXES, type Alias, type EngineKind, type Measure } from './aliases.js';

/** A histogram as Prometheus has it: counts up to and including each bound. */
export interface HistogramValue {
  /** By upper bound, as it was written; with `+Inf`. */
  buckets: ReadonlyMap<string, number>;
  sum: number;
  count: number;
}

/** What one measure is, of one model. */
export interface MeasuredValue {
  model: string;
  value: number | HistogramValue;
}

export interface Measured {
  measure: Measure;
  /** The name that it was read under, as the engine wrote it. */
  alias: string;
  /** No name that is known, but one that looks like it. */
  guessed: boolean;
  values: readonly MeasuredValue[];
}

export interface EngineReading {
  kind: EngineKind;
  measured: readonly Measured[];
  /** Measures that this engine was seen to tell, and does not. */
  missing: readonly string[];
  /** Lines of the engine's that could not be read, the last one where it was cut off. */
  unreadable: number;
}

/** Of each engine; further ones count as `other`. */
const MODELS_MAX = 100;
const NAME_MAX = 200;
const BUCKETS_MAX = 200;
const LINES_MAX = 200_000;
const KINDS = Object.keys(PREFIXES) as EngineKind[];

/**
 * Reads an engine's own metrics as one engine-neutral set. A line that can't be read costs that line alone, since half
 * a picture is better than none while an engine is in trouble. Pure; never throws.
 * @returns undefined where there is no line of an engine that is known
 */
export function readEngine(text: string): EngineReading | undefined {
  const { kind, lines, unreadable: cut } = linesOf(text);
  if (kind === undefined) return undefined;
  const byName = new Map<string, Series[]>();
  let unreadable = cut;
  for (const line of lines) {
    const result = parseExposition(`${line}\n`);
    const series = result.ok ? result.series[0] : undefined;
    if (!series) {
      unreadable++;
      continue;
    }
    const name = series.name.replace(PREFIXES[kind], '');
    const known = byName.get(name);
    if (known) known.push(series);
    else byName.set(name, [series]);
  }
  // One model a process: it is named once.
  const only = kind === 'vigil' ? byName.get('model_info')?.[0]?.labels.get('model') : undefined;
  const models = new Models(only);
  const measured = MEASURES.flatMap((measure) => find(measure, kind, byName, models) ?? []);
  const found = new Set(measured.map(({ measure }) => measure.id));
  return { kind, measured, missing: EXPECTED[kind].filter((id) => !found.has(id)), unreadable };
}

/** The lines of the engine that has most of them; a page may hold lines of the process and of others. */
function linesOf(text: string): { kind: EngineKind | undefined; lines: readonly string[]; unreadable: number } {
  const lines = new Map<EngineKind, string[]>(KINDS.map((kind) => [kind, []]));
  let [begin, taken] = [0, 0];
  for (let end = text.indexOf('\n'); end >= 0 && taken < LINES_MAX; end = text.indexOf('\n', begin)) {
    const line = text.slice(begin, end);
    begin = end + 1;
    if (line.startsWith('# EOF')) break;
    const kind = KINDS.find((k) => PREFIXES[k].test(line));
    if (kind === undefined) continue;
    lines.get(kind)!.push(line);
    taken++;
  }
  // A line without its end may have lost digits: 12 of 123.
  const rest = text.slice(begin, begin + 100);
  const cut = KINDS.some((kind) => PREFIXES[kind].test(rest)) ? 1 : 0;
  const [kind, most] = [...lines].toSorted(([, a], [, b]) => b.length - a.length)[0]!;
  return most.length === 0 ? { kind: undefined, lines: [], unreadable: cut } : { kind, lines: most, unreadable: cut };
}

type ByName = ReadonlyMap<string, readonly Series[]>;

function find(measure: Measure, kind: EngineKind, byName: ByName, models: Models): Measured | undefined {
  const aliases = measure.aliases[kind];
  if (!aliases) return undefined;
  for (const alias of aliases) {
    const found = read(measure, alias, byName, models);
    if (found) return { measure, guessed: false, ...found };
  }
  const names = [...byName.keys()].map((name) => (measure.type === 'histogram' ? name.replace(/_count$/, '') : name));
  const guessed = measure.guess && names.find((name) => measure.guess!.test(name));
  const found = guessed === undefined ? undefined : read(measure, { name: guessed }, byName, models);
  return found && { measure, guessed: true, ...found };
}

function read(
  measure: Measure,
  alias: Alias,
  byName: ByName,
  models: Models,
): { alias: string; values: MeasuredValue[] } | undefined {
  if (measure.type === 'histogram') return readHistogram(alias.name, byName, models);
  const wanted = Object.entries(alias.where ?? {});
  const series = totals(byName.get(alias.name) ?? []).filter(({ labels }) =>
    wanted.every(([name, value]) => labels.get(name) === value),
  );
  if (!series[0]) return undefined;
  const values = new Map<string, number>();
  const add = (list: readonly Series[], combine: 'sum' | 'max') => {
    for (const { labels, value } of list) {
      // NaN is how a gauge says that there is nothing to say; of a count only what is finite and not below 0 makes sense.
      if (!Number.isFinite(value) || (measure.type === 'counter' && value < 0)) continue;
      const model = models.of(labels);
      const before = values.get(model);
      values.set(model, before === undefined ? value : combine === 'sum' ? before + value : Math.max(before, value));
    }
  };
  add(series, measure.combine);
  if (values.size === 0) return undefined;
  if (alias.plus !== undefined) add(byName.get(alias.plus) ?? [], 'sum');
  return { alias: series[0].name, values: [...values].map(([model, value]) => ({ model, value })) };
}

function readHistogram(
  name: string,
  byName: ByName,
  models: Models,
): { alias: string; values: MeasuredValue[] } | undefined {
  const counts = byName.get(`${name}_count`);
  const sums = byName.get(`${name}_sum`);
  if (!counts || !sums) return undefined;
  const found = new Map<string, { buckets: Map<string, number>; sum: number; count: number }>();
  const of = (labels: ReadonlyMap<string, string>) => {
    const model = models.of(labels);
    let value = found.get(model);
    if (!value) found.set(model, (value = { buckets: new Map(), sum: 0, count: 0 }));
    return value;
  };
  for (const { labels, value } of counts) if (isCount(value)) of(labels).count += value;
  for (const { labels, value } of sums) if (Number.isFinite(value)) of(labels).sum += value;
  for (const { labels, value } of byName.get(`${name}_bucket`) ?? []) {
    const bound = labels.get('le');
    if (bound === undefined || !isCount(value) || !isBound(bound)) continue;
    const { buckets } = of(labels);
    const before = buckets.get(bound);
    if (before !== undefined || buckets.size < BUCKETS_MAX) buckets.set(bound, (before ?? 0) + value);
  }
  for (const value of found.values()) value.buckets.set('+Inf', value.count);
  if (found.size === 0) return undefined;
  const alias = counts[0]!.name.slice(0, -'_count'.length);
  return { alias, values: [...found].map(([model, value]) => ({ model, value })) };
}

/** SGLang with priorities tells a total, whose priority is empty, and beside it what it is made of. */
function totals(series: readonly Series[]): readonly Series[] {
  const parted = series.some(({ labels }) => labels.get('priority') === '');
  return parted ? series.filter(({ labels }) => !labels.get('priority')) : series;
}

const isCount = (value: number): boolean => Number.isFinite(value) && value >= 0;
const isBound = (text: string): boolean =>
  /^\+?Inf$/i.test(text) || (text.trim() !== '' && Number.isFinite(Number(text)));

/** Models as labels, bounded: a gateway may know thousands. */
class Models {
  private readonly seen = new Set<string>();

  /** @param only the model of series that name none */
  constructor(private readonly only = '') {}

  of(labels: ReadonlyMap<string, string>): string {
    const name = (labels.get('model_name') ?? labels.get('model') ?? this.only).slice(0, NAME_MAX).toWellFormed();
    if (name === '' || this.seen.has(name)) return name;
    if (this.seen.size >= MODELS_MAX) return 'other';
    this.seen.add(name);
    return name;
  }
}
