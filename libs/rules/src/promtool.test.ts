import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRules } from './load.js';

const ALERTS = fileURLToPath(new URL('../../../alerts', import.meta.url));
const rules = (await loadRules(ALERTS)).filter((rule) => !rule.enabled);

/** Series at every 15 s, in promtool's notation. */
type Series = Record<string, string>;

interface Story {
  fires: Series;
  /** When the alert must stand, and with what. */
  at: string;
  labels: Record<string, string>;
  summary: string;
  silent: Series;
}

const GPU = 'node="a",gpu="0",replay="false"';
const gpuLabels = { node: 'a', gpu: '0', replay: 'false' };
const xid = (code: number, kind: string) => `vigil_gpu_events_total{${GPU},kind="xid",class="${kind}",code="${code}"}`;
const throttled = (reason: string) => `hw_gpu_throttle_active{${GPU},reason="${reason}"}`;

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

async function promtool(series: Series, checks: { eval_time: string; alertname: string; exp_alerts: object[] }[]) {
  const file = join(folder, 'test.json');
  await writeFile(
    file,
    JSON.stringify({
      rule_files: [join(ALERTS, 'prometheus.recommended.rules.yaml')],
      evaluation_interval: '15s',
      tests: [
        {
          interval: '15s',
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
    const { fires, at, labels, summary, silent } = STORIES[alertname]!;
    const expected = {
      exp_labels: { ...labels, severity: rule.severity },
      exp_annotations: { summary, runbook: rule.action },
    };
    const { stdout } = await promtool(fires, [{ eval_time: at, alertname, exp_alerts: [expected] }]);
    expect(stdout).toContain('SUCCESS');
    const moments = Array.from({ length: 59 }, (_, i) => `${i + 1}m`);
    await promtool(
      silent,
      moments.map((eval_time) => ({ eval_time, alertname, exp_alerts: [] })),
    );
  });
});
