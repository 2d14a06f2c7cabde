import type { Computation, Label } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { Query } from './sql.js';
import { floorTime, MEMORY_SECONDS, MINUTE_MS, secondsBefore } from './types.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

/** The latest that one set of labels told. */
interface Sign {
  labels: Record<string, string>;
  /** When it told. */
  seen: Date;
  /** The time that it told: its own, or that of the reading it tells of. */
  told: Date;
}

/** The time that a row tells, by minute and by row. */
const TOLD: Readonly<Record<Extract<Computation, { kind: 'age' }>['of'], { minute: string; row: string }>> = {
  sample: { minute: 'coalesce(last_at, minute)', row: 'time' },
  gpu_reading: { minute: 'gpu_read_at', row: 'gpu_read_at' },
};

/** The time since the latest sign, as of a time, for what gave one within the day before. */
export async function ageAt(
  store: DataSource,
  signal: SignalOf<'age'>,
  at: Date,
  { by, matchers }: Pick<Window, 'by' | 'matchers'>,
): Promise<SignalValue[]> {
  const signs = await signsAt(store, signal, at, matchers);
  return youngest(
    signs.map(({ labels, told }) => ({ labels, value: secondsSince(told, at), samples: 1 })),
    by,
  );
}

/** As `ageAt`, at the end of each step; nothing is said of what is yet to come. */
export async function ageByStep(
  store: DataSource,
  signal: SignalOf<'age'>,
  window: StepWindow,
  now = new Date(),
): Promise<SeriesPoint[]> {
  const stepMs = window.step * 1000;
  const from = floorTime(window.from, stepMs);
  const known = new Map<string, Sign>();
  for (const sign of await signsAt(store, signal, from, window.matchers)) known.set(JSON.stringify(sign.labels), sign);
  const steps = await signsByStep(store, signal, { ...window, from });
  const end = Math.min(window.to.getTime(), now.getTime());
  const points: SeriesPoint[] = [];
  for (let begin = from.getTime(); begin < end; begin += stepMs) {
    for (const sign of steps.get(begin) ?? []) known.set(JSON.stringify(sign.labels), sign);
    const at = new Date(Math.min(begin + stepMs, end));
    const remembered = [...known.values()].filter(({ seen }) => seen > secondsBefore(at, MEMORY_SECONDS));
    const ages = remembered.map(({ labels, told }) => ({ labels, value: secondsSince(told, at), samples: 1 }));
    for (const value of youngest(ages, window.by)) points.push({ time: new Date(begin), ...value });
  }
  return points;
}

/** A clock that is ahead does not make an age negative. */
const secondsSince = (then: Date, now: Date): number => Math.max(0, (now.getTime() - then.getTime()) / 1000);

/** Several under one label are as old as the youngest of them. */
function youngest(ages: readonly SignalValue[], by: readonly Label[]): SignalValue[] {
  const found = new Map<string, SignalValue>();
  for (const { labels, value, samples } of ages) {
    const kept = Object.fromEntries(by.map((label) => [label, labels[label]!]));
    const key = JSON.stringify(kept);
    const other = found.get(key);
    found.set(key, {
      labels: kept,
      value: Math.min(value, other?.value ?? Infinity),
      samples: samples + (other?.samples ?? 0),
    });
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}

/**
 * The latest sign of each set of labels, up to a time and of the day before it. Sets are found by stepping along the
 * roll-up's index from one to the next, and the latest minute of each the same way: the cost grows with the number of
 * sets, and not with the minutes that they have.
 */
async function signsAt(
  store: DataSource,
  { compute }: SignalOf<'age'>,
  at: Date,
  matchers: Window['matchers'],
): Promise<Sign[]> {
  const query = new Query(compute.fact, { by: [], ...(matchers && { matchers }) });
  const { table, rollup, time } = query.fact;
  const dimensions = query.dimensions;
  const names = dimensions.join(', ');
  const of = (alias: string) => dimensions.map((name) => `${alias}.${name}`).join(', ');
  const told = TOLD[compute.of];
  const end = query.parameter(at);
  const minute = query.parameter(floorTime(at));
  const begin = query.parameter(secondsBefore(at, MEMORY_SECONDS));
  const sql = `
    WITH RECURSIVE label_sets AS (
      (SELECT ${names} FROM ${rollup} ORDER BY ${names} LIMIT 1)
      UNION ALL
      SELECT following.* FROM label_sets, LATERAL (
        SELECT ${names} FROM ${rollup} AS r WHERE (${of('r')}) > (${of('label_sets')}) ORDER BY ${names} LIMIT 1
      ) AS following
    ), signs AS (
      SELECT ${of('label_sets')}, latest.seen, latest.told FROM label_sets, LATERAL (
        SELECT coalesce(last_at, minute) AS seen, ${told.minute} AS told FROM ${rollup} AS r
        WHERE (${of('r')}) = (${of('label_sets')}) AND minute >= date_trunc('minute', ${begin}::timestamptz)
          AND minute < ${minute} AND ${told.minute} IS NOT NULL
        ORDER BY minute DESC LIMIT 1
      ) AS latest WHERE latest.seen > ${begin} ${query.where('rollup')}
      UNION ALL
      SELECT ${query.rowDimensions()}, ${time}, ${told.row} FROM ${table}
      WHERE ${time} >= ${minute} AND ${time} <= ${end} AND ${told.row} IS NOT NULL ${query.where('rows')}
    )
    SELECT ${dimensions.map((name) => `${name}::text`).join(', ')}, max(seen) AS seen, max(told) AS told
    FROM signs GROUP BY ${names}`;
  return (await query.run(store, sql)).map((row) => toSign(row, query)).filter(isMissed);
}

/** The latest sign of each set within each step, by the step's begin in milliseconds. */
async function signsByStep(
  store: DataSource,
  { compute }: SignalOf<'age'>,
  { from, to, step, matchers }: Window & { step: number },
): Promise<Map<number, Sign[]>> {
  const query = new Query(compute.fact, { by: [], ...(matchers && { matchers }) });
  const measures = compute.of === 'sample' ? ['last_at'] : ['last_at', 'gpu_read_at'];
  const byMinute = (step * 1000) % MINUTE_MS === 0;
  const rows = byMinute ? query.fromRollup(from, to, measures) : query.fromRows([[from, to]], measures);
  const told = compute.of === 'sample' ? 'coalesce(last_at, at)' : 'gpu_read_at';
  const names = query.dimensions;
  const sql = `SELECT ${query.bucket(step)} AS time, ${names.map((name) => `${name}::text`).join(', ')},
      max(coalesce(last_at, at)) AS seen, max(${told}) AS told
    FROM (${rows}) AS rows WHERE ${told} IS NOT NULL GROUP BY time, ${names.join(', ')}`;
  const steps = new Map<number, Sign[]>();
  for (const row of await query.run(store, sql)) {
    if (!isMissed(toSign(row, query))) continue;
    const begin = (row.time as Date).getTime();
    steps.set(begin, [...(steps.get(begin) ?? []), toSign(row, query)]);
  }
  return steps;
}

/** MIG instances (`0/1`) come and go with the configuration: nobody misses them. */
const isMissed = ({ labels }: Sign): boolean => !labels.gpu?.includes('/');

function toSign(row: Record<string, unknown>, { fact }: Query): Sign {
  const labels = Object.fromEntries(
    Object.entries(fact.dimensions).map(([label, column]) => [label, String(row[column])]),
  );
  return { labels, seen: row.seen as Date, told: row.told as Date };
}
