import { describe, expect, it } from 'vitest';
import {
  findSignal,
  formatDuration,
  formatValue,
  readsWindow,
  REQUEST_METRICS,
  selector,
  SIGNALS,
  takesWindow,
  type Label,
} from './index.js';

describe('the catalogue', () => {
  it('names each signal once', () => {
    const ids = SIGNALS.map((s) => s.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(SIGNALS.map((s) => [s.id, s] as const))('%s is complete and well-formed', (id, signal) => {
    expect(id).toMatch(/^[a-z]+(\.[a-z_]+)+$/);
    expect(signal.title).toMatch(/^[A-Z]/);
    expect(signal.titleZh).toMatch(/[\u4e00-\u9fff]/);
    expect(signal.description).toMatch(/\.$/);
    expect(signal.labels.length).toBeGreaterThan(0);
    for (const metric of signal.metrics) expect(metric).toMatch(/^(vigil|gen_ai|hw|system)_[a-z0-9_]+$/);
    expect(signal.promql(signal.labels, '5m', { node: 'a' })).toContain('node="a"');
  });

  it('names metrics as Prometheus wants them', () => {
    for (const { name, type, labels } of Object.values(REQUEST_METRICS)) {
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(/_(seconds|ratio)$/.test(name), name).toBe(type === 'histogram');
      for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
    }
  });

  it('finds a signal, and no other', () => {
    expect(findSignal('request.error.ratio')?.layer).toBe('service');
    expect(findSignal('request.error')).toBeUndefined();
  });
});

describe('PromQL', () => {
  it('escapes values', () => {
    expect(selector('m', { model: 'a"b\\c\nd' })).toBe('m{gen_ai_request_model="a\\"b\\\\c\\nd"}');
  });

  it('reads a ratio as zero where nothing of the first kind was ever counted', () => {
    expect(findSignal('request.error.ratio')!.promql(['model'], '5m')).toBe(
      '(sum by (gen_ai_request_model) (increase(vigil_requests_total{outcome="error"}[5m])) or 0 * sum by (gen_ai_request_model) (increase(vigil_requests_total[5m]))) / (sum by (gen_ai_request_model) (increase(vigil_requests_total[5m])) > 0)',
    );
  });
});

describe('PromQL of what is counted, aged or missing', () => {
  const say = (id: string, by: readonly Label[], window = '5m') =>
    findSignal(id)!.promql(by, window).replaceAll(/\s+/g, ' ');

  it('sees the first event of a series, which "increase" alone does not', () => {
    const series = 'vigil_gpu_events_total{kind="xid"}';
    expect(say('gpu.xid.count', ['code'])).toBe(
      `sum by (code) ((last_over_time(${series}[5m]) unless ${series} offset 5m) or increase(${series}[5m]))`,
    );
  });

  it('has a value when its data have ended', () => {
    expect(say('gpu.silence', ['node', 'gpu'])).toBe(
      'clamp_min(time() - max by (node, gpu) (max_over_time(vigil_gpu_last_seen_timestamp_seconds{gpu!~".*/.*"}[1d])), 0)',
    );
  });

  it('sums what is missing of each node', () => {
    expect(say('gpu.missing', [])).toBe(
      'sum(max by (node) (max_over_time(vigil_gpu_count[6h])) - max by (node) (vigil_gpu_count))',
    );
  });

  it.each(SIGNALS.map((s) => [s.id, s] as const))('%s takes its window exactly where it says so', (_, signal) => {
    const differs = signal.promql([], '5m') !== signal.promql([], '7m');
    expect(differs).toBe(readsWindow(signal));
    if (takesWindow(signal) === 'always') expect(differs).toBe(true);
  });
});

describe('values as people read them', () => {
  it.each([
    [0.9321, '1', '93.2 %'],
    [1, '1', '100 %'],
    [0.0513, '1', '5.13 %'],
    [0.74, 's', '740 ms'],
    [12.345, 's', '12.3 s'],
    [13_312_000_000, 'By', '12.4 GiB'],
    [512, 'By', '512 B'],
    [71, 'Cel', '71 °C'],
    [431.9, 'W', '432 W'],
    [1.98e9, 'Hz', '1980 MHz'],
    [3.14159, '{request}/s', '3.14 requests/s'],
    [1.5 * 2 ** 30, 'By/s', '1.5 GiB/s'],
    [0.001, '{request}/s', '0.001 requests/s'],
    [-0.00456, '1', '-0.46 %'],
    [0.00001234, 's', '0.012 ms'],
    [1, '{gpu}', '1 GPU'],
    [2, '{gpu}', '2 GPUs'],
    [0, '{error}', '0 errors'],
    [4, '{state}', '4'],
  ] as const)('%d in %s is %s', (value, unit, text) => {
    expect(formatValue(value, unit)).toBe(text);
  });

  it.each([
    [45.4, '45 s'],
    [600, '10 min'],
    [3 * 3600 + 300, '3 h 5 min'],
    [7200, '2 h'],
    [50 * 3600, '2 d 2 h'],
    [-5, '0 s'],
  ])('%d s is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
