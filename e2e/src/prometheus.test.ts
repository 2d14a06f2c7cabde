import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram, ROOT } from '@vigil/launch';
import { readLatest, readWindow } from '@vigil/store';
import { recordingRules, SIGNALS, takesWindow, type Signal } from '@vigil/signals';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  metricsIn,
  metricsOf,
  plainPromql,
  plainSql,
  queriesOf,
  readDashboards,
  type DashboardJson,
  type Query,
  type Target,
} from './dashboard-files.js';
import { COMMAND, dashboardsPage, rowStart, type Answer } from './dashboards-page.js';
import { EMPTY } from './empty-panels.js';
import { Filled } from './filled.js';

const present = findProgram('prometheus') !== undefined;
const filled = new Filled();

describe.skipIf(!present)('a Prometheus that saw it all', () => {
  beforeAll(() => filled.fill(), 120_000);
  afterAll(() => filled.stop());

  describe('says what PostgreSQL says', () => {
    const ours = async (signal: Signal): Promise<number | undefined> => {
      const values =
        takesWindow(signal) === 'always'
          ? await readWindow(filled.store, signal, { from: filled.from, to: filled.to, by: [] })
          : await readLatest(filled.store, signal, filled.to, []);
      return values[0]?.value;
    };

    /** How far the two may lie apart. */
    const leeway = ({ compute, unit }: Signal, value: number, seconds: number): number => {
      switch (compute.kind) {
        // Between a reading and the scrape that sees it lies up to a second, and the node's readings change by nature.
        case 'age':
          return 3;
        case 'gauge':
          return compute.fact === 'node' ? Infinity : Math.abs(value) * 1e-9;
        // Prometheus extrapolates a counter's increase to the window's edges, and no further than to where it was zero: that
        // stretches rates by up to two scrapes.
        case 'rate':
        case 'counter':
        case 'count':
          return Math.abs(value) * (2.5 / seconds);
        // Of each of the two that stretch is another one, so a quotient moves by as much as they do; where it is nearly nothing,
        // a thousandth of a share is as good as equal.
        case 'quotient':
          return Math.max(Math.abs(value) * (unit === '1' ? 2.5 / seconds : 0.05), unit === '1' ? 0.001 : 0);
        default:
          return Math.max(Math.abs(value) * 0.05, unit === '1' ? 0.001 : 0);
      }
    };

    it.each(SIGNALS.map((s) => [s.id, s] as const))('%s', async (_, signal) => {
      const seconds = Math.round((filled.to.getTime() - filled.from.getTime()) / 1000);
      const theirs = await filled.query(signal.promql([], `${seconds}s`), filled.to);
      const value = await ours(signal);
      if (value === undefined) {
        // The collector says 0 of the codes that rules ask for, so that Prometheus sees the first event as an increase.
        expect(signal.compute.kind === 'count' ? theirs || undefined : theirs).toBeUndefined();
        return;
      }
      expect(Math.abs(theirs! - value)).toBeLessThanOrEqual(leeway(signal, value, seconds) + 1e-9);
    });

    it('and most signals had a value to compare', async () => {
      // A machine without NVLink, RDMA or XIDs has no values of these.
      const served = SIGNALS.filter((s) => s.layer !== 'infrastructure');
      const values = await Promise.all(served.map(ours));
      expect(values.filter((v) => v !== undefined).length).toBeGreaterThan(served.length - 3);
      expect(await ours(SIGNALS.find((s) => s.id === 'gpu.memory.ratio')!)).toBeGreaterThan(0);
      expect(await ours(SIGNALS.find((s) => s.id === 'gpu.silence')!)).toBeLessThan(10);
      const errors = await ours(SIGNALS.find((s) => s.id === 'request.error.ratio')!);
      expect(errors).toBeGreaterThan(0);
    });

    it('scrapes all processes and knows the three rules', async () => {
      const targets = await filled.prometheus<{ activeTargets: { labels: { job: string }; health: string }[] }>(
        'targets',
        {},
      );
      expect(targets.activeTargets.map((t) => `${t.labels.job} ${t.health}`).toSorted()).toEqual([
        'api up',
        'collector up',
        'runtime up',
        'upstream up',
      ]);
      const rules = await filled.prometheus<{ groups: { rules: { name: string; health: string }[] }[] }>('rules', {});
      expect(rules.groups.flatMap((g) => g.rules.map((r) => r.name))).toEqual(
        expect.arrayContaining(['ErrorRatioHigh', 'GpuMemoryHigh', 'ResponseLatencyHigh']),
      );
    });
  });

  describe('fills the dashboards', () => {
    dashboardTests();
  });
});

function dashboardTests(): void {
  let english: Map<string, DashboardJson>;
  let queries: Query[];
  let reader: pg.Client;
  let answers: Answer[];
  /** A minute more than was asked for: what fired and was told before the first request belongs to it as well. */
  const span = () => ({ from: new Date(filled.began.getTime() - 60_000), to: filled.to });

  beforeAll(async () => {
    english = await readDashboards('.');
    queries = [...english.values()].flatMap(queriesOf);
    reader = await readOnly(filled.state.databaseUrl);
    answers = [];
    for (const query of queries) answers.push({ ...query, samples: await count(query.target) });
  });
  afterAll(() => reader?.end());

  async function count({ expr, instant, rawSql }: Target): Promise<number> {
    if (expr === undefined) {
      const { rows } = await reader.query<Record<string, unknown>>(plainSql(rawSql!, span()));
      return rows.filter((row) => Object.values(row).some((value) => value !== null)).length;
    }
    return instant ? samples('query', expr) : samples('query_range', expr);
  }

  async function samples(path: 'query' | 'query_range', expr: string): Promise<number> {
    const seconds = (time: Date) => String(time.getTime() / 1000);
    const { from, to } = span();
    const when: Record<string, string> =
      path === 'query' ? { time: seconds(to) } : { start: seconds(from), end: seconds(to), step: '5' };
    const { result } = await filled.prometheus<{
      result: { value?: [number, string]; values?: [number, string][] }[];
    }>(path, { query: plainPromql(expr), ...when });
    const values = result.flatMap(({ value, values = [] }) => (value ? [value] : values));
    return values.filter(([, value]) => Number.isFinite(Number(value))).length;
  }

  it('with a finite sample for every query, but where there can be none', () => {
    const name = ({ dashboard, panel }: Query) => `${dashboard}: ${panel}`;
    const without = answers.filter(({ samples }) => samples === 0);
    expect(
      without.filter((answer) => EMPTY[name(answer)] === undefined).map((a) => `${name(a)} — ${rowStart(a)}`),
    ).toEqual([]);
    const known = new Set(answers.map(name));
    expect(Object.keys(EMPTY).filter((panel) => !known.has(panel))).toEqual([]);
    expect(answers.length).toBeGreaterThan(100);
  });

  it('with what happened: a GPU that reported XID 79 before the first scrape, and an alert that fires', async () => {
    const exprOf = (panel: string) => queries.find((query) => query.panel === panel)!.target.expr!;
    const value = (panel: string) => filled.query(plainPromql(exprOf(panel)), filled.to);
    expect(await value('Critical XIDs, 1 h')).toBeCloseTo(1, 1);
    const { rows } = await reader.query<{ n: number }>(`SELECT count(*)::int AS n FROM alert WHERE state = 'firing'`);
    expect(rows[0]!.n).toBeGreaterThan(0);
    expect(await value('Alerts firing')).toBe(rows[0]!.n);
  });

  it('with names that our processes emit, and no others', () => {
    const emitted = new Set([
      ...filled.expositions.flatMap(metricsOf),
      ...recordingRules().map(({ record }) => record),
      // Prometheus's own, of each target.
      'up',
    ]);
    const boards = [...english.values()];
    const annotations = boards.flatMap(({ annotations: { list } }) => list.map(({ expr }) => expr));
    const variables = boards.flatMap(({ templating: { list } }) =>
      list.flatMap(
        ({ query }) => /__name__=~"([^"]+)"/.exec(JSON.stringify(query).replaceAll('\\', ''))?.[1]?.split('|') ?? [],
      ),
    );
    const asked = [
      ...variables,
      ...[...queries.flatMap(({ target }) => target.expr ?? []), ...annotations].flatMap(metricsIn),
    ];
    expect([...new Set(asked)].filter((metric) => !emitted.has(metric))).toEqual([]);
    expect(new Set(asked).size).toBeGreaterThan(60);
  });

  it('with values for every variable, and with annotations', async () => {
    for (const { title, templating, annotations } of english.values()) {
      for (const { name, query, datasource } of templating.list.filter(({ type }) => type === 'query')) {
        if (datasource!.uid === '${postgres}') {
          expect((await reader.query(query as string)).rows.length, `${title}: ${name}`).toBeGreaterThan(0);
          continue;
        }
        const [, among, label] = /^label_values\((.+), (\w+)\)$/.exec((query as { query: string }).query)!;
        const found = await filled.prometheus<Record<string, string>[]>('series', {
          'match[]': among!,
          start: String(filled.began.getTime() / 1000),
          end: String(filled.to.getTime() / 1000),
        });
        expect(found.filter((series) => series[label!]).length, `${title}: ${name}`).toBeGreaterThan(0);
      }
      for (const { name, expr } of annotations.list)
        expect(await samples('query_range', expr), `${title}: ${name}`).toBeGreaterThan(0);
    }
  });

  it('asking the same in every language', async () => {
    const chinese = await readDashboards('zh');
    expect([...chinese.keys()]).toEqual([...english.keys()]);
    const asked = (dashboard: DashboardJson) => queriesOf(dashboard).map(({ target }) => target);
    for (const [name, dashboard] of chinese)
      expect(asked(dashboard).map(bare), name).toEqual(asked(english.get(name)!).map(bare));
  });

  it("by a role that reads Vigil's tables, those that come later too, and nothing else", async () => {
    expect((await reader.query('SELECT * FROM came_later')).rows).toEqual([]);
    await expect(reader.query('SELECT * FROM pg_authid')).rejects.toThrow('permission denied for table pg_authid');
    await expect(reader.query('DELETE FROM request')).rejects.toThrow(/permission denied|read-only/);
  });

  it('as docs/DASHBOARDS.md says', async () => {
    const file = join(ROOT, 'docs/DASHBOARDS.md');
    const date = new Date().toISOString().slice(0, 10);
    const where = `on ${date} against Prometheus ${await version()} and PostgreSQL ${await serverVersion(reader)}`;
    if (process.env.DASHBOARDS_PAGE === 'write') await writeFile(file, dashboardsPage(answers, EMPTY, where));
    const page = await readFile(file, 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('| ') && !/^\| (panel|---) /.test(line));
    expect(rows.length, `Write it anew: ${COMMAND}`).toBe(answers.length);
    expect(rows.map((row) => row.replace(/(\| )[^|`]*\|$/, '$1').trimEnd())).toEqual(answers.map(rowStart));
  });
}

const bare = ({ refId, expr, rawSql, instant, datasource }: Target) => ({ refId, expr, rawSql, instant, datasource });

const version = async (): Promise<string> =>
  (await filled.prometheus<{ version: string }>('status/buildinfo', {})).version;
const serverVersion = async (client: pg.Client): Promise<string> =>
  (await client.query<{ server_version: string }>('SHOW server_version')).rows[0]!.server_version;

/** Logged in by the role that Grafana has. */
async function readOnly(url: string): Promise<pg.Client> {
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  const password = 'of-the-tests';
  const script = await readFile(join(ROOT, 'deploy/compose/grafana/read-only-role.sql'), 'utf8');
  // What begins with a backslash is psql's.
  const plain = script.replace(/^\\if[^]*^\\endif$/m, '').replaceAll(/^\\.*$/gm, '');
  await owner.query(plain.replaceAll(":'password'", `'${password}'`));
  await owner.query('CREATE TABLE came_later (n int)');
  await owner.end();
  const { host, pathname } = new URL(url);
  const reader = new pg.Client({ connectionString: `postgres://vigil_grafana:${password}@${host}${pathname}` });
  await reader.connect();
  return reader;
}
