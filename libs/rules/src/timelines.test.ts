import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findSignal } from '@vigil/signals';
import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { expand } from './cases.js';
import { combine } from './combine.js';
import { decideLevels } from './levels.js';
import { toPrometheusRules } from './prometheus.js';
import { expectations, expectedStates, nodeOf, TIMELINES, timelineRule, type Timeline } from './timelines.js';
import type { Alert, Reading } from './types.js';

const BEAT = 15;
const beatsOf = ({ samples }: Timeline) => expand(samples).length;
const rows = TIMELINES.map((timeline, i) => [timeline.name, timeline, i] as const);

/** The states that our decisions go through, by severity. */
function play(timeline: Timeline, index: number): Record<string, string[]> {
  const rule = timelineRule(timeline, index, BEAT);
  const samples = expand(timeline.samples);
  const other = timeline.other === undefined ? [] : expand(timeline.other);
  const labels = { node: nodeOf(index) };
  // Windows end a second ago: the present sample is not in them.
  const [window, end] = rule.over === null ? [1, 1] : [rule.over / BEAT, 0];
  const states: Record<string, string[]> = {};
  let alerts: Alert[] = [];
  samples.forEach((_, beat) => {
    const seen = samples.slice(Math.max(0, beat + end - window), beat + end).filter((value) => value !== null);
    const aggregate = { max: () => Math.max(...seen), min: () => Math.min(...seen) }[rule.aggregate as 'max' | 'min'];
    const mean = seen.reduce((sum, value) => sum + value, 0) / seen.length;
    const own: Reading[] = seen.length === 0 ? [] : [{ labels, value: aggregate?.() ?? mean }];
    const others: Reading[] = typeof other[beat] === 'number' ? [{ labels, value: other[beat] }] : [];
    const readings = combine(rule, [own, others]);
    const now = new Date(beat * BEAT * 1000);
    const decided = decideLevels(rule, alerts, readings, now, { maxGapSeconds: 60, absenceCounts: true });
    alerts = decided.flatMap((level) => level.alerts);
    for (const level of decided) {
      const state = level.alerts[0]?.state ?? 'inactive';
      const plain = state === 'resolved' || state === 'no_data' ? 'inactive' : state;
      (states[level.rule.severity] ??= []).push(plain);
    }
  });
  return states;
}

it('there are sixty timelines or more, each of its own', () => {
  expect(TIMELINES.length).toBeGreaterThanOrEqual(60);
  expect(new Set(TIMELINES.map(({ name }) => name)).size).toBe(TIMELINES.length);
  for (const timeline of TIMELINES) expect(beatsOf(timeline), timeline.name).toBeLessThanOrEqual(18);
});

it.each(rows)('%s', (_, timeline, index) => {
  const states = play(timeline, index);
  for (const [severity, wanted] of expectations(timeline))
    expect(states[severity]!.join(' '), severity).toBe(expectedStates(wanted, beatsOf(timeline)).join(' '));
});

/** `0.5 _ _ 0.9` with the marker by which Prometheus knows that a series has ended. */
const toSeries = (samples: string): string => {
  const values = expand(samples);
  const word = (value: number | null, i: number) => value ?? (typeof values[i - 1] === 'number' ? 'stale' : '_');
  // Beyond the last sample nothing is asked any more.
  return values.map(word).join(' ');
};

const series = TIMELINES.flatMap((timeline, i) => {
  const labels = `{node="${nodeOf(i)}",gpu="0",replay="false"}`;
  const metric = (id: string) => findSignal(id)!.metrics[0];
  return [
    { series: `${metric('gpu.memory.ratio')}${labels}`, values: toSeries(timeline.samples) },
    ...(timeline.other === undefined
      ? []
      : [{ series: `${metric('gpu.utilization')}${labels}`, values: toSeries(timeline.other) }]),
  ];
});

const allowed = (states: readonly string[], beat: number, { windowed, firingOnly }: Timeline): Set<string> => {
  const near = windowed ? [beat - 1, beat, beat + 1] : [beat];
  const found = new Set(near.map((i) => states[Math.min(Math.max(i, 0), states.length - 1)]!));
  if (firingOnly && found.has('inactive')) found.add('pending');
  return found;
};

describe.skipIf(spawnSync('promtool', ['--version']).status !== 0)('in Prometheus', () => {
  it('every timeline goes through the same states, beat by beat', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-timelines-'));
    try {
      const rules = join(folder, 'rules.yaml');
      const tests = join(folder, 'tests.json');
      await writeFile(rules, stringify(toPrometheusRules(TIMELINES.map((t, i) => timelineRule(t, i, BEAT)))));
      // Each state that is not allowed in a beat is asked for, and must not be there; one of the allowed must be.
      const promql = TIMELINES.flatMap((timeline, i) =>
        expectations(timeline).flatMap(([severity, wanted]) => {
          const states = expectedStates(wanted, beatsOf(timeline));
          const alert = (state: string) =>
            `ALERTS{alertname="${nodeOf(i).toUpperCase()}",severity="${severity}",alertstate="${state}"}`;
          return states.flatMap((_, beat) => {
            const may = allowed(states, beat, timeline);
            const eval_time = `${beat * BEAT}s`;
            const none = ['pending', 'firing']
              .filter((state) => !may.has(state))
              .map((state) => ({
                expr: `count(${alert(state)}) or vector(0)`,
                eval_time,
                exp_samples: [{ labels: '{}', value: 0 }],
              }));
            const must = [...may].length === 1 && !may.has('inactive') ? [...may] : [];
            const some = must.map((state) => ({
              expr: `count(${alert(state)})`,
              eval_time,
              exp_samples: [{ labels: '{}', value: 1 }],
            }));
            return [...none, ...some];
          });
        }),
      );
      expect(promql.length).toBeGreaterThan(800);
      const test = { interval: `${BEAT}s`, input_series: series, promql_expr_test: promql };
      await writeFile(tests, JSON.stringify({ rule_files: [rules], evaluation_interval: `${BEAT}s`, tests: [test] }));
      const { stdout } = await promisify(execFile)('promtool', ['test', 'rules', tests]);
      expect(stdout).toContain('SUCCESS');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
