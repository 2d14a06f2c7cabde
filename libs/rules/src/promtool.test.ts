import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRules } from './load.js';
import { toPrometheusRules } from './prometheus.js';
import type { Rule } from './types.js';

const ALERTS = fileURLToPath(new URL('../../../alerts', import.meta.url));
const rules = (await loadRules(ALERTS)).filter((rule) => !rule.enabled);

/** Series at every 15 s, or at the story's interval, in promtool's notation. */
type Series = Record<string, string>;

interface Story {
  fires: Series;
  /** When the alert must stand, and with what. */
  at: string;
  labels: Record<string, string>;
  summary: string;
  silent: Series;
  /** Of which of its thresholds, where the rule has several. */
  severity?: string;
  /** For what takes a week. */
  interval?: string;
  /** The minute from which on the silence is looked at, for an hour. */
  silentFrom?: number;
}

const GPU = 'node="a",gpu="0",replay="false"';
const gpuLabels = { node: 'a', gpu: '0', replay: 'false' };
const xid = (code: number, kind: string) => `vigil_gpu_events_total{${GPU},kind="xid",class="${kind}",code="${code}"}`;
const throttled = (reason: string) => `hw_gpu_throttle_active{${GPU},reason="${reason}"}`;

const MODEL = 'gen_ai_request_model="r1"';
const ENGINE = `${MODEL},gen_ai_provider_name="vllm"`;
const engineLabels = { gen_ai_request_model: 'r1', gen_ai_provider_name: 'vllm' };
const SERVER = `node="a",engine="vllm",${MODEL}`;
const TOKENS = `gen_ai_usage_tokens_total{${MODEL},gen_ai_token_type="output"}`;
const repetition = (half: number, all: number) => ({
  [`vigil_answer_repetition_ratio_bucket{${ENGINE},le="0.5"}`]: `0+${half}x240`,
  [`vigil_answer_repetition_ratio_bucket{${ENGINE},le="0.9"}`]: `0+${all}x240`,
  [`vigil_answer_repetition_ratio_bucket{${ENGINE},le="+Inf"}`]: `0+${all}x240`,
  [`vigil_answer_repetition_ratio_count{${ENGINE}}`]: `0+${all}x240`,
  [`vigil_answers_total{${ENGINE}}`]: `0+${all}x240`,
});

/** A story in which each rule fires, and one in which it does not, told for at least an hour. */
const STORIES: Record<string, Story> = {
  GpuCollectionStale: {
    // The node is gone too: nothing reports any more, and the rule does not go quiet for that.
    fires: { 'vigil_gpu_last_reading_timestamp_seconds{node="a"}': '0+15x20 stale' },
    at: '15m',
    labels: { node: 'a' },
    summary: 'The GPUs of a have not been read for 10m 0s',
    silent: { 'vigil_gpu_last_reading_timestamp_seconds{node="a"}': '0+15x20 300x19 600+15x220' },
  },
  NodeSilent: {
    fires: { 'vigil_node_last_sample_timestamp_seconds{node="a"}': '0+15x20 stale' },
    at: '9m',
    labels: { node: 'a' },
    summary: 'a has not reported for 4m 0s',
    silent: { 'vigil_node_last_sample_timestamp_seconds{node="a"}': '0+15x20 _x6 405+15x240' },
  },
  GpuLost: {
    fires: {
      [`vigil_gpu_last_seen_timestamp_seconds{${GPU}}`]: '0+15x20 300x40',
      'vigil_gpu_last_seen_timestamp_seconds{node="a",gpu="1",replay="false"}': '0+15x60',
    },
    at: '10m',
    labels: gpuLabels,
    summary: 'GPU 0 on a has not been seen for 5m 0s',
    silent: { [`vigil_gpu_last_seen_timestamp_seconds{${GPU}}`]: '0+15x20 300x6 405+15x240' },
  },
  GpuRecoveryNeeded: {
    fires: { [`hw_gpu_recovery_action{${GPU}}`]: '0x10 2x20' },
    at: '5m',
    labels: gpuLabels,
    summary: 'The driver asks for recovery action 2 of GPU 0 on a',
    silent: { [`hw_gpu_recovery_action{${GPU}}`]: '0x240' },
  },
  GpuXidCritical: {
    // The first event of its series, after which the collector dies with its node.
    fires: { [xid(79, 'critical')]: '_x20 1x4 stale', [xid(31, 'application')]: '_x20 1x40' },
    at: '10m',
    labels: { ...gpuLabels, code: '79' },
    summary: 'GPU 0 on a reported XID 79',
    silent: Object.fromEntries(
      [13, 31, 43, 63, 92].map((code) => [xid(code, code === 63 ? 'unknown' : 'application'), '0+1x240']),
    ),
  },
  GpuXidWarning: {
    fires: { [xid(94, 'warning')]: '1x20 2x30' },
    at: '6m',
    labels: { ...gpuLabels, code: '94' },
    summary: 'GPU 0 on a reported XID 94',
    silent: { [xid(94, 'warning')]: '_x240', [xid(31, 'application')]: '0+1x240' },
  },
  GpuEccUncorrected: {
    fires: { [`hw_errors_total{${GPU},error_type="uncorrected"}`]: '0x10 3x20' },
    at: '5m',
    labels: gpuLabels,
    summary: 'GPU 0 on a has 3 uncorrected memory errors',
    silent: {
      [`hw_errors_total{${GPU},error_type="uncorrected"}`]: '0x240',
      [`hw_errors_total{${GPU},error_type="corrected"}`]: '0+5x240',
      [`hw_errors_total{${GPU},error_type="pcie_replay"}`]: '0+5x240',
    },
  },
  GpuRowRemapFailed: {
    fires: { [`hw_gpu_row_remap_failure{${GPU}}`]: '0x10 1x20' },
    at: '5m',
    labels: gpuLabels,
    summary: 'GPU 0 on a could not replace a faulty row of its memory',
    silent: { [`hw_gpu_row_remap_failure{${GPU}}`]: '0x240', [`hw_gpu_row_remap_pending{${GPU}}`]: '1x240' },
  },
  GpuRowRemapPending: {
    fires: { [`hw_gpu_row_remap_pending{${GPU}}`]: '0x10 1x20' },
    at: '5m',
    labels: gpuLabels,
    summary: 'GPU 0 on a waits for a reset to replace a faulty row of its memory',
    silent: { [`hw_gpu_row_remap_pending{${GPU}}`]: '0x240', [`hw_gpu_row_remap_failure{${GPU}}`]: '1x240' },
  },
  GpuThermalSlowdown: {
    fires: { [throttled('hw_thermal_slowdown')]: '1x60' },
    at: '10m',
    labels: gpuLabels,
    summary: 'GPU 0 on a is slowed down by heat 100% of the time',
    silent: {
      [throttled('hw_thermal_slowdown')]: '0x20 1x4 0x200',
      [throttled('sw_power_cap')]: '1x240',
      [throttled('sw_thermal_slowdown')]: '1x240',
    },
  },
  GpuPowerBrake: {
    fires: { [throttled('hw_power_brake_slowdown')]: '1x60' },
    at: '10m',
    labels: gpuLabels,
    summary: 'GPU 0 on a is under the power brake 100% of the time',
    silent: { [throttled('hw_power_brake_slowdown')]: '0x20 1x4 0x200', [throttled('sw_power_cap')]: '1x240' },
  },
  GpuCountFell: {
    fires: { 'vigil_gpu_count{node="a"}': '8x20 7x40', 'vigil_gpu_count{node="b"}': '1x60' },
    at: '10m',
    labels: { node: 'a' },
    summary: 'a lacks 1 of the GPUs that it had within the last six hours',
    silent: { 'vigil_gpu_count{node="a"}': '4x20 8x20 7x2 8x200' },
  },
  AvailabilityBudgetBurning: {
    fires: {
      [`vigil_requests_total{${MODEL},outcome="ok"}`]: '0+95x300',
      [`vigil_requests_total{${MODEL},outcome="error"}`]: '0+5x300',
    },
    at: '70m',
    labels: { gen_ai_request_model: 'r1' },
    summary: '5% of the requests to r1 failed within the last hour: a month with 99.9 % is used up in two days',
    // It was bad, but burns no more; and where little is asked, one error is no burning.
    silent: {
      [`vigil_requests_total{${MODEL},outcome="ok"}`]: '0+95x240',
      [`vigil_requests_total{${MODEL},outcome="error"}`]: '0+1x240',
      'vigil_requests_total{gen_ai_request_model="quiet",outcome="ok"}': '0+0.1x240',
      'vigil_requests_total{gen_ai_request_model="quiet",outcome="error"}': '0+0.1x240',
    },
  },
  KvCacheNearlyFull: {
    fires: {
      [`vigil_engine_kv_cache_usage_ratio{${SERVER}}`]: '0.98x60',
      [`vigil_engine_requests_waiting{${SERVER}}`]: '4x60',
    },
    at: '10m',
    labels: { node: 'a', engine: 'vllm', gen_ai_request_model: 'r1' },
    summary: 'The KV cache of r1 on a is 98% full, and requests wait',
    silent: {
      [`vigil_engine_kv_cache_usage_ratio{${SERVER}}`]: '1x240',
      [`vigil_engine_requests_waiting{${SERVER}}`]: '0x240',
    },
  },
  RunawayGenerations: {
    fires: { ...repetition(8, 10), [`vigil_answer_flaws_total{${ENGINE},flaw="truncated"}`]: '0+2x240' },
    at: '20m',
    labels: engineLabels,
    summary: 'Answers of r1 on vllm repeat themselves until they are cut off: one in ten by 70%',
    silent: { ...repetition(8, 10), [`vigil_answer_flaws_total{${ENGINE},flaw="truncated"}`]: '0+0.5x240' },
  },
  ThroughputFell: {
    interval: '5m',
    fires: {
      [TOKENS]: '0+300000x2040 612100000+100000x40',
      [`vigil_requests_total{${MODEL},outcome="ok"}`]: '0+50x2080',
    },
    at: '10290m',
    labels: { gen_ai_request_model: 'r1' },
    summary: 'r1 generates 33.33% of the tokens of the same hour last week',
    silent: {
      [TOKENS]: '0+300000x2040 612200000+200000x40',
      [`vigil_requests_total{${MODEL},outcome="ok"}`]: '0+50x2080',
    },
    silentFrom: 10_230,
  },
  UnclosedReasoning: {
    severity: 'warning',
    fires: {
      [`vigil_reasonings_total{${ENGINE}}`]: '0+10x120',
      [`vigil_answer_flaws_total{${ENGINE},flaw="unclosed_reasoning"}`]: '0+2x120',
    },
    at: '20m',
    labels: engineLabels,
    summary: '20% of the answers of r1 on vllm never close their reasoning',
    silent: {
      [`vigil_reasonings_total{${ENGINE}}`]: '0+10x240',
      [`vigil_answer_flaws_total{${ENGINE},flaw="unclosed_reasoning"}`]: '0+0.5x240',
    },
  },
  ModelVolumeNearlyFull: {
    fires: { 'system_filesystem_utilization_ratio{node="a",volume="model"}': '0.8x10 0.95x50' },
    at: '10m',
    labels: { node: 'a' },
    summary: 'The volume of the model on a is 95% full',
    silent: {
      'system_filesystem_utilization_ratio{node="a",volume="model"}': '0.9x240',
      'system_filesystem_utilization_ratio{node="a",volume="root"}': '0.99x240',
    },
  },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-promtool-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** By what `npm run generate` writes of the rule; by it alone, as others would only take time. */
async function promtool(
  rule: Rule,
  series: Series,
  checks: { eval_time: string; alertname: string; exp_alerts: object[] }[],
  interval = '15s',
) {
  const file = join(folder, 'test.json');
  await writeFile(join(folder, 'rules.json'), JSON.stringify(toPrometheusRules([rule])));
  await writeFile(
    file,
    JSON.stringify({
      rule_files: ['rules.json'],
      evaluation_interval: interval,
      tests: [
        {
          interval,
          input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
          alert_rule_test: checks,
        },
      ],
    }),
  );
  return promisify(execFile)('promtool', ['test', 'rules', file]);
}

it('every recommended rule has its stories', () => {
  expect(Object.keys(STORIES).toSorted()).toEqual(rules.map((rule) => rule.name).toSorted());
});

describe.skipIf(spawnSync('promtool', ['--version']).status !== 0)('in Prometheus', () => {
  it.each(rules.map((rule) => [rule.name, rule] as const))('%s fires, and is silent', async (alertname, rule) => {
    const { fires, at, labels, summary, silent, severity, interval, silentFrom = 0 } = STORIES[alertname]!;
    const expected = {
      exp_labels: { ...labels, severity: severity ?? rule.severity },
      exp_annotations: { summary, runbook: rule.action },
    };
    const { stdout } = await promtool(rule, fires, [{ eval_time: at, alertname, exp_alerts: [expected] }], interval);
    expect(stdout).toContain('SUCCESS');
    const moments = Array.from({ length: 59 }, (_, i) => `${silentFrom + i + 1}m`);
    await promtool(
      rule,
      silent,
      moments.map((eval_time) => ({ eval_time, alertname, exp_alerts: [] })),
      interval,
    );
  });
});
