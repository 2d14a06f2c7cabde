import { findSignal } from '@vigil/signals';
import { describe, expect, it } from 'vitest';
import { combine } from './combine.js';
import { describeThreshold, thresholdOf } from './condition.js';
import { parseRule } from './parse.js';
import { toPrometheusRules } from './prometheus.js';
import { caseSchema } from './cases.js';
import { ruleSchema } from './schema.js';
import type { Rule } from './types.js';

const END = 'summary: x\naction: docs/x.md\n';
const parse = (text: string) => parseRule(`alert: A\n${text}\n${END}`, 'a.yaml');
const read = (text: string): Rule => {
  const { rule, problems } = parse(text);
  expect(problems).toEqual([]);
  return rule!;
};
const promql = (text: string) => toPrometheusRules([read(text)]).groups[0]!.rules;

const FIRST = 'signal: gpu.memory.ratio\nby: [node]\nseverity: info\n';
const ERRORS = 'signal: request.error.ratio\nover: 5m\nby: [model]\nseverity: info\ncondition: { above: 0.05 }\n';
const errors = (by: string) => `sum by (${by}) (increase(vigil_requests_total[5m]))`;

describe('a rule', () => {
  it('may have several thresholds, the least severe first however they are written', () => {
    const rule = read('signal: gpu.temperature\nlevels: { critical: { above: 90 }, warning: { above: 80 } }');
    expect(rule.levels).toEqual([
      { severity: 'warning', condition: { kind: 'above', threshold: 80 } },
      { severity: 'critical', condition: { kind: 'above', threshold: 90 } },
    ]);
    expect([rule.severity, rule.condition]).toEqual(['critical', { kind: 'above', threshold: 90 }]);
  });

  it('names a mean by what it is the mean of, and asks for its percentile', () => {
    const rule = read('signal: response.latency\naggregate: p95\nover: 5m\ncondition: { above: 2 }\nseverity: info');
    expect([rule.signal.id, rule.aggregate, rule.over]).toEqual(['response.latency.mean', 'p95', 300]);
  });

  it('compared with last week is about a ratio, whatever the signal', () => {
    const rule = read(
      'signal: token.output.rate\nover: 1h\ncomparedWith: 7d\ncondition: { below: 0.5 }\nseverity: info',
    );
    expect([rule.unit, rule.comparedWith]).toEqual(['1', 7 * 86_400]);
    expect(read(`${ERRORS}comparedWith: 1d`.replace('0.05', '3')).condition).toEqual({ kind: 'above', threshold: 3 });
  });

  it('says its thresholds', () => {
    const both = { kind: 'outside', low: 20, high: 80 } as const;
    expect(describeThreshold(both, (v) => `${v} °C`)).toBe('outside 20 °C to 80 °C');
    expect([thresholdOf(both, 90), thresholdOf(both, 10), thresholdOf(both, null)]).toEqual([80, 20, 80]);
  });
});

describe('what makes no sense is named with its line', () => {
  it.each<[string, string]>([
    [`${FIRST}condition: { outside: [0.9, 0.1] }`, '5: "condition.outside" must be two numbers, the lesser one first.'],
    [`${FIRST}condition: { outside: [0.1] }`, '5: "condition.outside" must be two numbers such as [20, 80].'],
    [
      `${FIRST}condition: { outside: [0.1, 90] }`,
      '5: "condition.outside" is 90, but gpu.memory.ratio goes from 0 to 1',
    ],
    [
      `${FIRST}condition: { above: 0.9 }\nlevels: { warning: { above: 0.8 }, critical: { above: 0.9 } }`,
      '5: "condition" and "levels" say the same twice',
    ],
    ['signal: gpu.power\nlevels: { warning: { above: 1 } }', '3: "levels" must name two severities or more'],
    ['signal: gpu.power\nlevels: { warning: { above: 1 }, bad: { above: 2 } }', '3: There is no field "bad".'],
    [
      'signal: gpu.memory.ratio\nlevels: { warning: { above: 80 }, critical: { above: 0.9 } }',
      '3: "levels.warning.above" is 80',
    ],
    [`${FIRST}condition: { above: 0.9 }\naggregate: max`, '6: "over" is missing: max is taken over a window'],
    [
      `${FIRST}condition: { above: 0.9 }\naggregate: p95\nover: 5m`,
      '6: gpu.memory.ratio has no p95: it has mean, min, max.',
    ],
    [`${FIRST}condition: { above: 0.9 }\naggregate: most\nover: 5m`, '6: '],
    [`${ERRORS}aggregate: p95`, '7: request.error.ratio has no p95: it is one figure by nature.'],
    [
      'signal: response.latency\naggregate: p95\nover: 7h\ncondition: { above: 1 }\nseverity: info',
      '4: "over" is 7h: p95 of response.latency.mean is read value by value, over 6h at the most.',
    ],
    [
      `${FIRST}condition: { above: 0.9 }\ncomparedWith: 7d`,
      '6: "comparedWith" has no meaning: gpu.memory.ratio is not counted over a window.',
    ],
    [
      `${FIRST}condition: { above: 0.9 }\nminSamples: 20`,
      '6: "minSamples" has no meaning: gpu.memory.ratio does not rest on requests.',
    ],
    [`${ERRORS}minSamples: 0`, '7: "minSamples" must be at least 1.'],
    [`${ERRORS}noData: maybe`, '7: "noData" must be one of keep, ok, alert.'],
    ['signal: gpu.silence\ncondition: { above: 60 }\nseverity: info\nnoDataFor: 5m', '5: "noDataFor" has no meaning'],
    [
      `${FIRST}condition: { above: 0.9 }\nand:\n  - { signal: gpu.utilisation, condition: { above: 0.5 } }`,
      '7: There is no signal "gpu.utilisation"; did you mean gpu.utilization?',
    ],
    [
      `${FIRST}condition: { above: 0.9 }\nand:\n  - { signal: gpu.utilization, conditon: { above: 0.5 } }`,
      '7: There is no field "conditon"; did you mean condition?',
    ],
    [
      `${FIRST}condition: { above: 0.9 }\nand:\n  - { signal: gpu.utilization, condition: { above: 50 } }`,
      '7: "and.0.condition.above" is 50',
    ],
    [
      `${ERRORS}and:\n  - { signal: gpu.utilization, condition: { above: 0.5 } }`,
      '8: gpu.utilization has no label "model", by which the rule keeps its alerts apart',
    ],
    [
      `${ERRORS}and:\n  - { signal: request.rate, condition: { above: 1 } }`,
      '8: "over" is missing: request.rate is counted over a window',
    ],
    [`${FIRST}condition: { above: 0.9 }\nand: busy`, '6: "and" must be a list of signals with their conditions.'],
    ['signal: gpu.power\nseverity: info', '1: "condition" is missing'],
    [
      'signal: gpu.power\ncondition: { above: 1 }',
      '1: "severity" is missing: one of info, warning, critical is expected.',
    ],
  ])('%s', (text, mistake) => {
    const { rule, problems } = parse(text);
    expect(rule).toBeUndefined();
    expect(problems.map((p) => `${p.line}: ${p.mistake}`).join('\n')).toContain(mistake);
  });
});

describe("in Prometheus's words", () => {
  it('a value outside a band', () => {
    const [rule] = promql('signal: gpu.temperature\nby: [gpu]\ncondition: { outside: [20, 80] }\nseverity: info');
    expect(rule!.expr).toBe(
      'avg by (gpu) (hw_temperature_celsius{sensor="gpu"}) < 20 or avg by (gpu) (hw_temperature_celsius{sensor="gpu"}) > 80',
    );
  });

  it('several thresholds are rules of one name', () => {
    const rules = promql(
      'signal: gpu.power\nby: [gpu]\nlevels: { warning: { above: 5 }, critical: { above: 6 } }\nkeepFiring: 1m',
    );
    expect(rules.map(({ expr, labels, keep_firing_for }) => [expr, labels.severity, keep_firing_for])).toEqual([
      ['avg by (gpu) (hw_power_watts) > 5', 'warning', '1m'],
      ['avg by (gpu) (hw_power_watts) > 6', 'critical', '1m'],
    ]);
  });

  it('a least number of requests', () => {
    expect(promql(`${ERRORS}minSamples: 20`)[0]!.expr).toMatch(
      / > 0\.05\) and on \(gen_ai_request_model\) \(sum by \(gen_ai_request_model\) \(increase\(vigil_requests_total\[5m\]\)\) >= 20\)$/,
    );
  });

  it('tokens a second rest on requests, as in the store', () => {
    const text = 'signal: token.output.rate\nover: 5m\nby: []\nminSamples: 20\ncondition: { below: 1 }\nseverity: info';
    expect(promql(text)[0]!.expr).toMatch(/ and on \(\) \(sum\(increase\(vigil_requests_total\[5m\]\)\) >= 20\)$/);
  });

  it('a percentile, the least and the greatest', () => {
    expect(
      promql(
        'signal: response.latency\naggregate: p95\nover: 5m\nby: [model]\ncondition: { above: 2 }\nseverity: info',
      )[0]!.expr,
    ).toBe(
      'histogram_quantile(0.95, sum by (le, gen_ai_request_model) (rate(vigil_response_latency_seconds_bucket[5m]))) > 2',
    );
    expect(promql(`${FIRST}aggregate: min\nover: 5m\ncondition: { above: 0.9 }`)[0]!.expr).toBe(
      'min by (node) (min_over_time(hw_gpu_memory_utilization_ratio[5m])) > 0.9',
    );
  });

  it('another signal besides', () => {
    expect(
      promql(`${FIRST}condition: { above: 0.9 }\nand: [{ signal: gpu.utilization, condition: { below: 0.1 } }]`)[0]!
        .expr,
    ).toBe(
      '(avg by (node) (hw_gpu_memory_utilization_ratio) > 0.9) and on (node) (avg by (node) (hw_gpu_utilization_ratio) < 0.1)',
    );
  });

  it('against last week', () => {
    const [rule] = promql(
      'signal: request.rate\nover: 1h\nby: []\ncomparedWith: 7d\nminSamples: 9\ncondition: { below: 0.5 }\nseverity: info',
    );
    const now = 'sum(rate(vigil_requests_total[1h]))';
    const then = `last_over_time((${now})[1m:] offset 7d)`;
    expect(rule!.expr).toBe(
      `((${now} or 0 * ${then}) / (${then} > 0) < 0.5) and on () (last_over_time((sum(increase(vigil_requests_total[1h])))[1m:] offset 7d) >= 9)`,
    );
  });

  it('the end of data is a second rule', () => {
    const rules = promql(`${ERRORS}noData: alert\nnoDataFor: 10m`);
    expect(rules.map((rule) => [rule.for, rule.annotations.summary])).toEqual([
      [undefined, 'x'],
      ['10m', 'No data: x'],
    ]);
    expect(rules[1]!.expr).toMatch(/^last_over_time\(\(.*\)\[1h:\]\) unless /);
    expect(rules[1]!.expr).toContain(errors('gen_ai_request_model'));
  });
});

describe('what was read', () => {
  const rule = (text: string) => read(text);
  const week = rule(
    'signal: request.rate\nover: 1h\nby: [model]\ncomparedWith: 7d\ncondition: { below: 0.5 }\nseverity: info',
  );
  const of = (model: string, value: number, samples = 5) => ({ labels: { model }, value, samples });

  it('is divided by what was before; what came no more is 0, what was nothing is passed over', () => {
    const now = [of('a', 1), of('new', 3), of('b', 2)];
    const then = [of('a', 4, 70), of('b', 0), of('gone', 2, 40)];
    expect(combine(week, [now, then])).toEqual([
      { labels: { model: 'a' }, value: 0.25, samples: 70 },
      { labels: { model: 'gone' }, value: 0, samples: 40 },
    ]);
    expect(combine({ ...week, signal: findSignal('response.latency.mean')! }, [[], then])).toEqual([]);
  });

  it('is met by the other signals label by label', () => {
    const both = rule(
      `${FIRST}condition: { above: 0.9 }\nand: [{ signal: gpu.utilization, condition: { below: 0.1 } }]`,
    );
    const at = (node: string, value: number) => ({ labels: { node }, value });
    const met = combine(both, [
      [at('a', 1), at('b', 1), at('c', 1)],
      [at('a', 0.05), at('b', 0.5)],
    ]);
    expect(met.map(({ labels, also }) => [labels.node, also])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ]);
  });
});

it('the schema of test cases knows what a case is made of', () => {
  const { properties, required } = caseSchema() as { properties: Record<string, any>; required: string[] };
  expect(required).toEqual(['alert', 'cases']);
  const one = properties.cases.items;
  expect(one.required).toEqual(['name', 'every', 'series', 'expect']);
  expect(one.properties.series.items.required).toEqual(['values']);
  expect(one.properties.expect.items.properties.state.enum).toContain('firing');
  expect(one.properties.expect.items.properties.at.description).toMatch(/10m/);
});

it('the schema for editors knows signals, labels and fields', () => {
  const schema = ruleSchema() as { properties: Record<string, any>; required: string[]; additionalProperties: boolean };
  expect(schema.properties.signal.enum).toEqual(expect.arrayContaining(['gpu.memory.ratio', 'response.latency']));
  expect(schema.properties.by.items.enum).toContain('model');
  expect(schema.properties.and.items.properties.signal.enum).toContain('gpu.utilization');
  expect(schema.required.toSorted()).toEqual(['action', 'alert', 'signal', 'summary']);
  expect(schema.additionalProperties).toBe(false);
});
