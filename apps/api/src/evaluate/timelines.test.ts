import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRule, toPrometheusRules, type Rule } from '@vigil/rules';
import {
  expand,
  expectations,
  expectedStates,
  nodeOf,
  TIMELINES,
  timelineRule,
  type Timeline,
} from '@vigil/rules/testing';
import { createLogger, createRegistry } from '@vigil/service';
import { findSignal } from '@vigil/signals';
import { connect, createStore, writeGpuSamples, writeRequests } from '@vigil/store';
import { gpuRow, requestRow } from '@vigil/store/testing';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { DatabaseState } from '../database.js';
import { createMetrics } from '../metrics.js';
import { ALERTMANAGER, freePort, startAlertmanager, type RunningAlertmanager } from '../testing-alertmanager.js';
import { Evaluator } from './evaluator.js';
import { Recorder } from './recorder.js';

const log = createLogger('test', 'silent');
const BEATS = Math.max(...TIMELINES.map(({ samples }) => expand(samples).length));
/** Each timeline's samples, and those of its other signal. */
const SAMPLES = TIMELINES.map(({ samples, other }) => [expand(samples), expand(other ?? '_')] as const);
const lengthOf = (index: number) => SAMPLES[index]![0].length;

describe('the evaluator over PostgreSQL', () => {
  const BEAT = 15;
  const begin = Date.parse('2026-03-01T10:00:00Z');
  const RULES = TIMELINES.map((timeline, i) => ({
    rule: timelineRule(timeline, i, BEAT),
    steps: [],
    hasRunbook: false,
  }));
  let database: TestDatabase;
  let store: DataSource;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = createStore({ url: database.url, applicationName: 'test' });
    await connect(store, database.url);
  });
  afterAll(async () => {
    await store.destroy();
    await database.drop();
  });

  /** An evaluator as a start makes it: it knows nothing that PostgreSQL does not. */
  const evaluatorAt = (now: () => Date): Evaluator =>
    new Evaluator({
      store,
      scope: 'timelines',
      rules: () => RULES,
      recorder: new Recorder({ scope: 'timelines', channels: [], publicUrl: () => '', log }),
      intervalSeconds: BEAT,
      graceSeconds: 0,
      database: new DatabaseState(),
      metrics: createMetrics(createRegistry('test', '0')),
      log,
      onMessages: () => undefined,
      now,
    });

  const samplesOf = (beat: number) =>
    SAMPLES.flatMap(([samples, other], i) => {
      const [ratio, utilization] = [samples[beat], other[beat]];
      if (typeof ratio !== 'number' && typeof utilization !== 'number') return [];
      const time = new Date(begin + beat * BEAT * 1000);
      const row = gpuRow(ratio ?? 0, { time, node: nodeOf(i), utilization: utilization ?? null });
      return [typeof ratio === 'number' ? row : { ...row, memoryUsed: null }];
    });

  it.each([
    ['that runs on', false],
    ['that is started anew before every beat', true],
  ])('%s goes through all timelines as they say', async (_, restarts) => {
    await database.query('TRUNCATE gpu_sample, gpu_minute, alert, alert_transition, evaluation_beat CASCADE');
    let now = new Date(begin);
    let evaluator = evaluatorAt(() => now);
    const seen: Record<string, string>[] = [];
    for (let beat = 0; beat < BEATS; beat++) {
      now = new Date(begin + beat * BEAT * 1000);
      // Nothing is left of a reading that is gone: Prometheus's series end at once, ours after two minutes.
      await database.query('DELETE FROM gpu_sample WHERE time < $1 AND node IN (SELECT unnest($2::text[]))', [
        now,
        TIMELINES.flatMap((t, i) => (t.windowed ? [] : [nodeOf(i)])),
      ]);
      await writeGpuSamples(store, samplesOf(beat));
      if (restarts) evaluator = evaluatorAt(() => now);
      expect(await evaluator.beat()).toBe('evaluated');
      const rows = await database.query('SELECT rule, labels, state FROM alert');
      seen.push(
        Object.fromEntries(
          rows.map((row) => [`${row.rule} ${row.labels.severity ?? 'critical'}`, row.state as string]),
        ),
      );
    }
    TIMELINES.forEach((timeline, i) => {
      for (const [severity, wanted] of expectations(timeline)) {
        const states = seen.slice(0, lengthOf(i)).map((beat) => beat[`${nodeOf(i).toUpperCase()} ${severity}`] ?? '');
        const plain = states.map((state) => (/pending|firing/.test(state) ? state : 'inactive'));
        expect(plain.join(' '), `${timeline.name}, ${severity}`).toBe(expectedStates(wanted, lengthOf(i)).join(' '));
      }
    });
    // Each firing is in the history once, whoever was there.
    const history = await database.query(`SELECT rule, at FROM alert_transition WHERE to_state = 'firing'`);
    TIMELINES.forEach((timeline, i) => {
      const end = new Date(begin + lengthOf(i) * BEAT * 1000);
      const found = history.filter(({ rule, at }) => rule === nodeOf(i).toUpperCase() && at < end);
      const wanted = expectations(timeline).flatMap(([, text]) => text.match(/firing@/g) ?? []);
      expect(found.length, timeline.name).toBe(wanted.length);
    });
  });
});

describe('a sample that comes late', () => {
  const begin = Date.parse('2026-03-02T10:00:00Z');
  const at = (seconds: number) => new Date(begin + seconds * 1000);
  let database: TestDatabase;
  let store: DataSource;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = createStore({ url: database.url, applicationName: 'test' });
    await connect(store, database.url);
  });
  afterAll(async () => {
    await store.destroy();
    await database.drop();
  });

  const SHARE = parseRule(
    'alert: LATE\nsignal: request.error.ratio\nover: 5m\nby: []\ncondition: { above: 0.5 }\nseverity: info\nsummary: x\naction: x',
    'late.yaml',
  ).rule!;

  it('is believed as soon as it is there, for as long as it counts, and told once', async () => {
    let now = at(0);
    const told: string[] = [];
    class Listening extends Recorder {
      override async record(...[sql, loaded, transition]: Parameters<Recorder['record']>): Promise<number> {
        if (transition.notify) told.push(`${loaded.rule.name} ${transition.to}`);
        return super.record(sql, loaded, transition);
      }
    }
    const gauge = timelineRule({ name: 'late', samples: '', expect: '', rule: { noData: 'keep' } }, 0, 15);
    const rules = [gauge, SHARE].map((rule) => ({ rule, steps: [], hasRunbook: false }));
    const evaluator = new Evaluator({
      store,
      scope: 'late',
      rules: () => rules,
      recorder: new Listening({ scope: 'late', channels: [], publicUrl: () => '', log }),
      intervalSeconds: 15,
      graceSeconds: 0,
      database: new DatabaseState(),
      metrics: createMetrics(createRegistry('test', '0')),
      log,
      onMessages: () => undefined,
      now: () => now,
    });
    const beat = async (seconds: number) => {
      now = at(seconds);
      await evaluator.beat();
      const rows = await database.query('SELECT rule, state FROM alert ORDER BY rule');
      return Object.fromEntries(rows.map(({ rule, state }) => [rule, state]));
    };
    const sample = (seconds: number, ratio: number) =>
      writeGpuSamples(store, [gpuRow(ratio, { time: at(seconds), node: nodeOf(0) })]);
    const request = (seconds: number, ok: boolean) =>
      writeRequests(store, [
        requestRow({
          endedAt: at(seconds),
          responseId: `r${seconds}`,
          ...(!ok && { outcome: 'error', errorType: '500' }),
        }),
      ]);
    await sample(0, 0.95);
    await request(-10, true);
    expect(await beat(0)).toEqual({ LATE: 'inactive', T01: 'firing' });
    expect(await beat(120)).toMatchObject({ T01: 'no_data' });
    // What was read a minute ago arrives now: it was never over, and is not told twice. Neither has the share been well.
    await sample(75, 0.96);
    await request(70, false);
    await request(71, false);
    expect(await beat(135)).toEqual({ LATE: 'firing', T01: 'firing' });
    // Older than what is known, it changes nothing of the latest reading.
    await sample(60, 0.1);
    expect(await beat(150)).toMatchObject({ T01: 'firing' });
    // Too late to count at all.
    await request(-200, true);
    await request(-201, true);
    expect(await beat(165)).toMatchObject({ LATE: 'firing' });
    expect(told).toEqual(['T01 firing', 'T01 no_data', 'LATE firing']);
  });
});

const installed =
  spawnSync('prometheus', ['--version'], { stdio: 'ignore' }).status === 0 && ALERTMANAGER !== undefined;

describe.skipIf(!installed)('a real Prometheus with a real Alertmanager', () => {
  /** Seconds. Prometheus looks five times in a beat. */
  const BEAT = 1.25;
  const LOOK = '250ms';
  const children: ChildProcess[] = [];
  let alertmanager: RunningAlertmanager | undefined;
  let folder: string;
  const told: { at: number; rule: string; severity: string; status: string }[] = [];
  let begin = Number.POSITIVE_INFINITY;
  const beatAt = (ms: number) => Math.floor((ms - begin) / (BEAT * 1000));
  /**
   * A sample stands for its whole beat here, so what lasts three beats is over only a look before a patience of three
   * ends. Half a beat more of each patience leaves as much room for a late look on either side.
   */
  const half = (seconds: number) => (seconds > 0 ? seconds + BEAT / 2 : 0);
  const liveRule = (timeline: Timeline, i: number): Rule => {
    const rule = timelineRule(timeline, i, BEAT);
    return { ...rule, for: half(rule.for), keepFiring: half(rule.keepFiring), noDataFor: half(rule.noDataFor) };
  };

  const target = createServer((_, response) => {
    const beat = beatAt(Date.now());
    const lines = ['ready 1'];
    SAMPLES.forEach(([samples, other], i) => {
      const labels = `{node="${nodeOf(i)}",gpu="0",replay="false"}`;
      const add = (id: string, value: number | null | undefined) =>
        typeof value === 'number' && lines.push(`${findSignal(id)!.metrics[0]}${labels} ${value}`);
      // A timeline that is over stays as it was last.
      add('gpu.memory.ratio', samples[Math.min(beat, samples.length - 1)]);
      add('gpu.utilization', other[Math.min(beat, other.length - 1)]);
    });
    response.end(`${lines.join('\n')}\n`);
  });
  const webhook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { alerts } = JSON.parse(Buffer.concat(chunks).toString()) as {
        alerts: { status: string; labels: Record<string, string> }[];
      };
      for (const { status, labels } of alerts)
        told.push({ at: Date.now(), rule: labels.alertname!, severity: labels.severity!, status });
      response.end();
    });
  });
  const listen = async (server: typeof target): Promise<number> => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  let address: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigil-timelines-'));
    const [scraped, hook, port] = [await listen(target), await listen(webhook), await freePort()];
    alertmanager = await startAlertmanager(
      `route: { receiver: r, group_by: ['...'], group_wait: 0s, group_interval: ${LOOK}, repeat_interval: 1h }
receivers: [{ name: r, webhook_configs: [{ url: 'http://127.0.0.1:${hook}' }] }]
`,
    );
    await writeFile(join(folder, 'rules.yml'), stringify(toPrometheusRules(TIMELINES.map(liveRule))));
    await writeFile(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: ${LOOK}, scrape_timeout: ${LOOK}, evaluation_interval: ${LOOK} }
rule_files: [rules.yml]
alerting: { alertmanagers: [{ static_configs: [{ targets: ['${new URL(alertmanager.url).host}'] }] }] }
scrape_configs: [{ job_name: t, honor_labels: true, static_configs: [{ targets: ['127.0.0.1:${scraped}'] }] }]
`,
    );
    address = `http://127.0.0.1:${port}`;
    children.push(
      spawn(
        'prometheus',
        [
          `--config.file=${join(folder, 'prometheus.yml')}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
          '--rules.alert.resend-delay=250ms',
        ],
        { stdio: 'ignore' },
      ),
    );
    await until('Prometheus to look', async () => {
      const answer = await fetch(`${address}/api/v1/query?query=ready`).catch(() => undefined);
      return answer?.ok === true && (await answer.text()).includes('"1"');
    });
  });
  afterAll(async () => {
    for (const child of children) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await alertmanager?.stop();
    for (const server of [target, webhook]) server.closeAllConnections();
    target.close();
    webhook.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('go through all timelines as they say, and tell the same, within one beat', async () => {
    begin = Date.now() + 500;
    await sleep(BEATS * BEAT * 1000 + 1500);
    const range = new URLSearchParams({
      query: 'ALERTS',
      start: String(begin / 1000),
      end: String(begin / 1000 + BEATS * BEAT),
      step: '0.25',
    });
    const { data } = (await (await fetch(`${address}/api/v1/query_range?${range}`)).json()) as {
      data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
    };
    const standing = new Map<string, Set<string>>();
    for (const { metric, values } of data.result)
      for (const [time] of values) {
        const beat = (time * 1000 - begin) / (BEAT * 1000);
        const key = `${metric.alertname} ${metric.severity} ${Math.floor(beat)}`;
        standing.set(key, (standing.get(key) ?? new Set()).add(metric.alertstate!));
      }
    TIMELINES.forEach((timeline, i) => {
      for (const [severity, wanted] of expectations(timeline)) {
        const name = nodeOf(i).toUpperCase();
        const states = expectedStates(wanted, lengthOf(i));
        states.forEach((state, beat) => {
          const found = standing.get(`${name} ${severity} ${beat}`) ?? new Set(['inactive']);
          // Prometheus sees a sample up to a look after it came, and may be a beat late with what follows from it.
          const may = new Set([state, ...states.slice(Math.max(0, beat - 1), beat + (timeline.windowed ? 2 : 1))]);
          if (timeline.firingOnly) may.add('pending');
          const strange = [...found].filter((one) => !may.has(one));
          expect(strange, `${timeline.name}, ${severity}, beat ${beat}: ${state}`).toEqual([]);
        });
        const messages = told.filter((one) => one.rule === name && one.severity === severity);
        const changes = wanted.split(' ').filter((word) => /^firing|^inactive/.test(word));
        const tells = changes.filter((word, at) => word.startsWith('firing') || changes[at - 1]?.startsWith('firing'));
        const expected = tells.map((word) => (word.startsWith('firing') ? 'firing' : 'resolved'));
        const kinds = messages.map(({ status }) => status);
        expect(kinds, `${timeline.name}, ${severity}, what the webhook was told`).toEqual(expected);
        messages.forEach(({ at }, n) => {
          const beat = Number(tells[n]!.split('@')[1]);
          const late = (at - begin) / (BEAT * 1000) - beat;
          expect(late, `${timeline.name}, ${tells[n]}`).toBeGreaterThan(timeline.windowed ? -1.5 : -0.1);
          expect(late, `${timeline.name}, ${tells[n]}`).toBeLessThan(2);
        });
      }
    });
  });
});
