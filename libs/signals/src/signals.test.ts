import { describe, expect, it } from 'vitest';
import { findSignal, formatDuration, formatValue, REQUEST_METRICS, selector, SIGNALS } from './index.js';

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
