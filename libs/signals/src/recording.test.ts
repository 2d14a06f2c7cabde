import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findSignal, recorded, recordingRules, SIGNALS, type Aggregate, type Signal } from './index.js';

const isRecorded = (signal: Signal): boolean => {
  try {
    recorded(signal, [], '1h');
    return true;
  } catch {
    return false;
  }
};
const RECORDED = SIGNALS.filter(isRecorded);

describe('recording rules', () => {
  it('are of every signal of requests, each name once', () => {
    const requests = SIGNALS.filter(({ compute }) => compute.fact === 'request');
    expect(requests.filter((signal) => !RECORDED.includes(signal))).toEqual([]);
    const names = recordingRules().map(({ record }) => record);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^vigil:[a-z0-9_]+:[a-z0-9_]+$/);
  });

  it('do not answer what they do not hold', () => {
    expect(() => recorded(findSignal('gpu.clock.sm')!, [], '1h')).toThrow('The signal "gpu.clock.sm" is not recorded.');
    expect(() => recorded(findSignal('request.rate')!, ['endpoint'], '1h')).toThrow('is not recorded by "endpoint"');
  });

  it.skipIf(spawnSync('promtool', ['--version']).status !== 0)(
    'say over six hours what the raw series say, in a real Prometheus',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'vigil-recording-'));
      try {
        await writeFile(join(folder, 'rules.json'), JSON.stringify({ groups: [GROUP] }));
        await writeFile(join(folder, 'test.json'), JSON.stringify(TEST));
        const run = promisify(execFile)('promtool', ['test', 'rules', join(folder, 'test.json')], { cwd: folder });
        const { stdout } = await run.catch((error: { stdout: string; stderr: string }) => {
          throw new Error(`${error.stdout}\n${error.stderr}`.slice(0, 4000));
        });
        expect(stdout).toContain('SUCCESS');
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});

const GROUP = { name: 'vigil-recording', interval: '1m', rules: recordingRules() };
const COMMON = 'node="a",gen_ai_request_model="r1",gen_ai_provider_name="vllm"';
const STEPS = 6 * 60 * 4;

/** Every series that a query selects, once for each of two endpoints, or once for each of two GPUs. */
function seriesIn(expression: string): string[] {
  const selected = [...expression.matchAll(/\b((?:vigil|gen_ai|hw|system)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)];
  return selected.flatMap(([, metric, where = '']) => {
    const fixed = where.split(',').filter((matcher) => matcher !== '' && !matcher.endsWith('=""'));
    if (/^(hw|system)_/.test(metric!))
      return ['0', '1'].map((gpu) => `${metric}{${[...fixed, `node="a",gpu="${gpu}",replay="false"`].join(',')}}`);
    return ['/v1/chat/completions', '/v1/completions'].flatMap((endpoint) => {
      const labels = [...fixed, COMMON, `endpoint="${endpoint}"`].join(',');
      const bounds = metric!.endsWith('_bucket') ? ['0.01', '0.32', '0.64', '1', '+Inf'] : [undefined];
      return bounds.map((le) => `${metric}{${labels}${le === undefined ? '' : `,le="${le}"`}}`);
    });
  });
}

/** Counts that grow at one pace for three hours and at another for three more; readings that rise and fall. */
function story(series: string, index: number): { series: string; values: string } {
  if (/^(hw|system)_/.test(series))
    return { series, values: `${0.1 + index / 1000}+0.0005x${STEPS / 2} 0.8-0.0005x${STEPS / 2}` };
  const bound = /le="([^"]+)"/.exec(series)?.[1];
  // The buckets of one histogram grow with their bounds.
  const pace = bound === undefined ? 1 + (index % 7) : { '0.01': 1, '0.32': 4, '0.64': 9, '1': 10, '+Inf': 12 }[bound]!;
  const half = STEPS / 2;
  return { series, values: `0+${pace}x${half} ${pace * half}+${pace * 3}x${half}` };
}

const cases: [Signal, Aggregate][] = RECORDED.flatMap((signal) => {
  const hows: Aggregate[] = signal.promqlParts?.([], '5m').buckets === undefined ? ['mean'] : ['mean', 'p50', 'p95'];
  return hows.map((how): [Signal, Aggregate] => [signal, how]);
});

const window = '6h';
const raw = ({ promql, compute }: Signal, how: Aggregate): string =>
  compute.kind === 'gauge' ? `avg_over_time(${promql([], window)}[${window}:15s])` : promql([], window, {}, how);

const TEST = {
  rule_files: ['rules.json'],
  evaluation_interval: '1m',
  tests: [
    {
      interval: '15s',
      input_series: [...new Set(cases.flatMap(([signal, how]) => seriesIn(signal.promql([], window, {}, how))))].map(
        story,
      ),
      promql_expr_test: cases.map(([signal, how]) => ({
        // Within two hundredths: the first minutes of a series are seen once, the later ones five times.
        expr: `abs((${recorded(signal, [], window, {}, how)}) / (${raw(signal, how)}) - 1) < bool 0.02`,
        eval_time: '6h',
        exp_samples: [{ labels: '{}', value: 1 }],
      })),
    },
  ],
};
