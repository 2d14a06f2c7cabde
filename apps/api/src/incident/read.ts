import { ENGINE_LABELS, findSignal, type Fact, type Label, type Matchers } from '@vigil/signals';
import { readCourses, transaction, type CourseRow } from '@vigil/store';
import type { DataSource } from 'typeorm';
import type { Sql } from '../database.js';
import { SETTLE_SECONDS } from '../evaluate/read.js';
import type { LookedAt } from './looked-at.js';
import { readEvents, readRequests } from './read-requests.js';
import type { GpuEvent, Requests } from './types.js';
import type { IncidentWindow } from './window.js';

/** How long one query may work, and how many rows are read one by one; beyond, minutes are read. */
const STATEMENT_MS = 1500;
const MOST_ROWS = 200_000;
/** Steps times label sets. */
const MOST_STEPS = 20_000;

/** The firing that is looked into. */
export interface Firing {
  rule: string;
  fingerprint: string;
  labels: Readonly<Record<string, string>>;
  signal: string;
  over: number | null;
  for: number;
  activeSince: Date;
  firedAt: Date;
}

export interface Evidence {
  courses: CourseRow[];
  requests: Requests;
  events: GpuEvent[];
}

/** Which labels tell apart what is read of each fact, and which of an alert's labels narrow it down. */
const FACTS: readonly { fact: Fact; by: readonly Label[]; narrowedBy: readonly Label[] }[] = [
  { fact: 'request', by: [], narrowedBy: ['node', 'engine', 'model', 'endpoint', 'operation'] },
  { fact: 'gpu', by: ['node', 'gpu', 'replay'], narrowedBy: ['node', 'gpu', 'replay'] },
  { fact: 'node', by: ['node'], narrowedBy: ['node'] },
  { fact: 'engine', by: ENGINE_LABELS, narrowedBy: ENGINE_LABELS },
];

export const narrowed = (labels: Readonly<Record<string, string>>, by: readonly Label[]): Matchers =>
  Object.fromEntries(Object.entries(labels).filter(([name]) => (by as readonly string[]).includes(name)));

/** When the first thing after `from` was seen, in milliseconds; undefined where there is none. */
export async function watchedSince(store: DataSource, from: Date): Promise<number | undefined> {
  const first = (table: string, time: string): string =>
    `(SELECT ${time} AS time FROM ${table} WHERE ${time} >= $1 ORDER BY ${time} LIMIT 1)`;
  const tables = [first('request', 'ended_at'), ...['gpu_sample', 'node_sample'].map((table) => first(table, 'time'))];
  const [row] = (await store.query(`SELECT min(time) AS time FROM (${tables.join(' UNION ALL ')}) AS all_of_them`, [
    from,
  ])) as [{ time: Date | null }];
  return row.time?.getTime();
}

/** Reads what is known of the time around a firing, bounded in rows and time. */
export function readEvidence(
  store: DataSource,
  firing: Firing,
  looked: readonly LookedAt[],
  window: IncidentWindow,
): Promise<Evidence> {
  return transaction(store, async (sql) => {
    await sql.query(`SET LOCAL statement_timeout = ${STATEMENT_MS}`);
    const courses: CourseRow[] = [];
    for (const { fact, by, narrowedBy } of FACTS)
      for (const matchers of widened(narrowed(firing.labels, narrowedBy), fact)) {
        const found = await readFact(sql, fact, looked, window, by, matchers);
        courses.push(...found);
        if (found.length > 0) break;
      }
    const own = findSignal(firing.signal);
    const from = new Date(window.activeSince - (firing.over ?? 0) * 1000);
    const matchers = narrowed(firing.labels, FACTS[0]!.narrowedBy);
    const span = { from, to: new Date(window.to + SETTLE_SECONDS * 1000 + window.step * 1000) };
    const given = await readRequests(sql, { ...span, matchers, signal: own?.id ?? '' });
    const requests =
      given.total > 0 || matchers.node === undefined
        ? given
        : await readRequests(sql, { ...span, matchers: elsewhere(matchers), signal: own?.id ?? '' });
    const events = await readEvents(sql, new Date(window.baselineUntil), span.to, firing.labels);
    return { courses, requests, events };
  });
}

/**
 * Requests are answered on one machine and received on another, and an engine may call its model by another name than its
 * clients do: what is not there is looked for more widely.
 */
function widened(matchers: Matchers, fact: Fact): Matchers[] {
  const wider = [elsewhere(matchers), ...(fact === 'engine' ? [{}] : [])];
  return [matchers, ...wider.filter((next) => Object.keys(next).length < Object.keys(matchers).length)];
}

const elsewhere = ({ node: _node, ...rest }: Matchers): Matchers => rest;

async function readFact(
  sql: Sql,
  fact: Fact,
  looked: readonly LookedAt[],
  window: IncidentWindow,
  by: readonly Label[],
  matchers: Matchers,
): Promise<CourseRow[]> {
  const signals = looked.map(({ signal }) => signal);
  const span = { from: new Date(window.from), to: new Date(window.to), by, matchers, limit: MOST_STEPS };
  const isMany = fact === 'request' && window.step < 60 && (await countRequests(sql, span)) > MOST_ROWS;
  return readCourses(sql, fact, signals, { ...span, step: isMany ? 60 : window.step });
}

async function countRequests(sql: Sql, { from, to }: { from: Date; to: Date }): Promise<number> {
  const [row] = (await sql.query(
    'SELECT coalesce(sum(requests), 0)::float8 AS n FROM request_minute WHERE minute >= $1 AND minute < $2',
    [from, to],
  )) as [{ n: number }];
  return row.n;
}
