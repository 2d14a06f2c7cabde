import { describe, expect, it } from 'vitest';
import { parseRule } from './parse.js';
import { toPrometheusRules } from './prometheus.js';

const convert = (source: string) => {
  const { rule, problems } = parseRule(`${source}severity: info\naction: docs/x.md\n`, 'a.yaml');
  expect(problems).toEqual([]);
  return toPrometheusRules([rule!]).groups[0]!.rules[0]!;
};

describe("a rule in Prometheus's words", () => {
  it('compares the same signal with the same threshold, under its own labels', () => {
    const rule = convert(
      `alert: A\nsignal: request.rate\ncondition: { below: 2 }\nover: 5m\nfor: 90s\nby: [model]\nwhere: { node: 'a"b' }\nsummary: '{{ $labels.model }} on {{ $labels.node }}: {{ $value }}'\n`,
    );
    expect(rule).toEqual({
      alert: 'A',
      expr: 'sum by (gen_ai_request_model) (rate(vigil_requests_total{node="a\\"b"}[5m])) < 2',
      for: '1m30s',
      labels: { severity: 'info' },
      annotations: {
        summary: '{{ $labels.gen_ai_request_model }} on a"b: {{ $value | humanize }} requests/s',
        runbook: 'docs/x.md',
      },
    });
  });

  it('reads the latest sample of a gauge, or its mean where a window is given', () => {
    const source = 'alert: A\nsignal: gpu.power\ncondition: { above: 600 }\nby: [gpu]\nsummary: x\n';
    expect(convert(source).expr).toBe('avg by (gpu) (hw_power_watts) > 600');
    expect(convert(source).for).toBeUndefined();
    expect(convert(`${source}over: 2m\n`).expr).toBe('avg_over_time((avg by (gpu) (hw_power_watts))[2m:]) > 600');
  });

  it('takes the window of what Prometheus counts, also where the rule names none', () => {
    const source = 'alert: A\nsignal: node.disk.read\ncondition: { above: 1 }\nby: [node]\nsummary: x\n';
    const rate = (window: string) =>
      `avg by (node) (sum by (node) (rate(system_disk_io_bytes_total{direction="read"}[${window}]))) > 1`;
    expect(convert(source).expr).toBe(rate('2m'));
    expect(convert(`${source}over: 5m\n`).expr).toBe(rate('5m'));
  });

  it('says an age without a window', () => {
    const source = 'alert: A\nsignal: node.silence\ncondition: { above: 120 }\nfor: 1m\nsummary: x\n';
    expect(convert(source).expr).toBe(
      'clamp_min(time() - max by (node) (max_over_time(vigil_node_last_sample_timestamp_seconds[1d])), 0) > 120',
    );
  });
});
