import { ruleDuration } from './duration.js';
import { parseRule } from './parse.js';
import type { Rule, Severity } from './types.js';

/**
 * A rule, samples in, transitions out; all counted in beats. What it says is held against our own decisions, against the
 * evaluator over PostgreSQL, and against Prometheus.
 */
export interface Timeline {
  name: string;
  /** Fields of the rule besides those that all have, durations in beats. */
  rule?: {
    condition?: string;
    levels?: string;
    for?: number;
    keepFiring?: number;
    aggregate?: string;
    over?: number;
    noData?: string;
    noDataFor?: number;
    and?: string;
  };
  /** `gpu.memory.ratio`, one a beat: `0.5x10 0.95x3 _x2` is ten times 0.5, three times 0.95, twice nothing. */
  samples: string;
  /** `gpu.utilization`, likewise. */
  other?: string;
  /** `pending@2 firing@4 inactive@7`; by severity where the rule has several. Before the first it is inactive. */
  expect: string | Partial<Record<Severity, string>>;
  /** Prometheus's windows hold the sample at both edges, ours end a second ago: the two differ by a beat. */
  windowed?: true;
  /** What Prometheus calls pending while it waits for data, we do not. */
  firingOnly?: true;
}

const BUSY = '[{ signal: gpu.utilization, condition: { above: 0.5 } }]';
const LEVELS = '{ warning: { above: 0.8 }, critical: { above: 0.9 } }';

export const TIMELINES: readonly Timeline[] = [
  { name: 'above, at once', samples: '0.5x3 0.95x4 0.5x3', expect: 'firing@3 inactive@7' },
  { name: 'exactly at the threshold', samples: '0.9x8', expect: '' },
  { name: 'above from the first sample on', samples: '0.95x4 0.5x2', expect: 'firing@0 inactive@4' },
  { name: 'one beat above', samples: '0.5x3 0.95 0.5x4', expect: 'firing@3 inactive@4' },
  { name: 'twice one beat', samples: '0.5x2 0.95 0.5x2 0.95 0.5x2', expect: 'firing@2 inactive@3 firing@5 inactive@6' },
  { name: 'never above', samples: '0.5x10', expect: '' },
  { name: 'climbs through and back', samples: '0.8 0.85 0.9 0.91 0.95 0.9 0.89', expect: 'firing@3 inactive@5' },
  { name: 'always above', samples: '0.95x10', expect: 'firing@0' },
  { name: 'from one end to the other', samples: '0x2 1x3 0x2', expect: 'firing@2 inactive@5' },
  { name: 'a hair above', samples: '0.9x2 0.9000001x2 0.9x2', expect: 'firing@2 inactive@4' },

  { name: 'long enough', rule: { for: 2 }, samples: '0.5x2 0.95x5 0.5x2', expect: 'pending@2 firing@4 inactive@7' },
  { name: 'a beat too short', rule: { for: 3 }, samples: '0.5x2 0.95x3 0.5x3', expect: 'pending@2 inactive@5' },
  {
    name: 'just long enough',
    rule: { for: 3 },
    samples: '0.5x2 0.95x4 0.5x3',
    expect: 'pending@2 firing@5 inactive@6',
  },
  {
    name: 'broken off, and begins anew',
    rule: { for: 3 },
    samples: '0.95x2 0.5 0.95x4 0.5',
    expect: 'pending@0 inactive@2 pending@3 firing@6 inactive@7',
  },
  {
    name: 'a dip to the threshold breaks it off',
    rule: { for: 3 },
    samples: '0.95x2 0.9 0.95x5',
    expect: 'pending@0 inactive@2 pending@3 firing@6',
  },
  { name: 'a "for" of one beat', rule: { for: 1 }, samples: '0.5 0.95x3 0.5', expect: 'pending@1 firing@2 inactive@4' },
  {
    name: 'fires twice',
    rule: { for: 1 },
    samples: '0.95x2 0.5x2 0.95x3 0.5',
    expect: 'pending@0 firing@1 inactive@2 pending@4 firing@5 inactive@7',
  },
  { name: 'pending from the first sample on', rule: { for: 4 }, samples: '0.95x8', expect: 'pending@0 firing@4' },
  {
    name: 'never long enough at a time',
    rule: { for: 2 },
    samples: '0.95x2 0.5 0.95x2 0.5 0.95x2 0.5',
    expect: 'pending@0 inactive@2 pending@3 inactive@5 pending@6 inactive@8',
  },
  {
    name: 'moves about above it',
    rule: { for: 2 },
    samples: '0.91 0.99 0.92 0.97 0.5',
    expect: 'pending@0 firing@2 inactive@4',
  },
  { name: 'a long patience', rule: { for: 10 }, samples: '0.5 0.95x12 0.5', expect: 'pending@1 firing@11 inactive@13' },
  {
    name: 'a long patience, not reached',
    rule: { for: 10 },
    samples: '0.5 0.95x9 0.5x3',
    expect: 'pending@1 inactive@10',
  },

  { name: 'below', rule: { condition: '{ below: 0.2 }' }, samples: '0.5x2 0.1x3 0.5x2', expect: 'firing@2 inactive@5' },
  { name: 'below: exactly at it', rule: { condition: '{ below: 0.2 }' }, samples: '0.2x6', expect: '' },
  {
    name: 'below, long enough',
    rule: { condition: '{ below: 0.2 }', for: 2 },
    samples: '0.5 0.1x4 0.3x2',
    expect: 'pending@1 firing@3 inactive@5',
  },
  { name: 'nothing is below', rule: { condition: '{ below: 0.2 }' }, samples: '0.5x2 0x3', expect: 'firing@2' },

  {
    name: 'outside: above',
    rule: { condition: '{ outside: [0.2, 0.8] }' },
    samples: '0.5x2 0.9x2 0.5',
    expect: 'firing@2 inactive@4',
  },
  {
    name: 'outside: below',
    rule: { condition: '{ outside: [0.2, 0.8] }' },
    samples: '0.5x2 0.1x2 0.5',
    expect: 'firing@2 inactive@4',
  },
  {
    name: 'outside: at its bounds',
    rule: { condition: '{ outside: [0.2, 0.8] }' },
    samples: '0.2x3 0.8x3',
    expect: '',
  },
  {
    name: 'outside: from end to end',
    rule: { condition: '{ outside: [0.2, 0.8] }' },
    samples: '0.5 0.9x2 0.1x2 0.5',
    expect: 'firing@1 inactive@5',
  },
  {
    name: 'outside: the other end counts on',
    rule: { condition: '{ outside: [0.2, 0.8] }', for: 2 },
    samples: '0.9 0.1 0.9 0.5',
    expect: 'pending@0 firing@2 inactive@3',
  },

  { name: 'kept firing', rule: { keepFiring: 2 }, samples: '0.5 0.95x2 0.5x5', expect: 'firing@1 inactive@5' },
  {
    name: 'kept over a dip',
    rule: { keepFiring: 3 },
    samples: '0.95x2 0.5x2 0.95x2 0.5x5',
    expect: 'firing@0 inactive@9',
  },
  {
    name: 'kept, after a "for"',
    rule: { for: 2, keepFiring: 2 },
    samples: '0.95x4 0.5x6',
    expect: 'pending@0 firing@2 inactive@6',
  },
  {
    name: 'what is pending is not kept',
    rule: { for: 3, keepFiring: 3 },
    samples: '0.95x2 0.5x4',
    expect: 'pending@0 inactive@2',
  },
  { name: 'kept without data', rule: { keepFiring: 2 }, samples: '0.95x3 _x6', expect: 'firing@0 inactive@5' },
  {
    name: 'kept over a dip of just as long',
    rule: { keepFiring: 2 },
    samples: '0.95x2 0.5x2 0.95 0.5x4',
    expect: 'firing@0 inactive@7',
  },
  {
    name: 'kept for one beat',
    rule: { keepFiring: 1 },
    samples: '0.95x2 0.5 0.95x2 0.5x3',
    expect: 'firing@0 inactive@6',
  },
  {
    name: 'below, and kept',
    rule: { condition: '{ below: 0.2 }', keepFiring: 2 },
    samples: '0.1x2 0.5x4',
    expect: 'firing@0 inactive@4',
  },
  {
    name: 'kept, over, and firing again',
    rule: { for: 1, keepFiring: 1 },
    samples: '0.95x3 0.5x3 0.95x3',
    expect: 'pending@0 firing@1 inactive@4 pending@6 firing@7',
  },

  { name: 'data end while it fires', samples: '0.95x3 _x4', expect: 'firing@0 inactive@3' },
  { name: 'data end while it is pending', rule: { for: 3 }, samples: '0.95x2 _x4', expect: 'pending@0 inactive@2' },
  { name: 'data end while all is well', samples: '0.5x3 _x4', expect: '' },
  {
    name: 'a gap begins the patience anew',
    rule: { for: 3 },
    samples: '0.95x2 _ 0.95x5',
    expect: 'pending@0 inactive@2 pending@3 firing@6',
  },
  { name: 'data come back firing', samples: '0.95x2 _x2 0.95x3', expect: 'firing@0 inactive@2 firing@4' },
  { name: 'data begin late', samples: '_x4 0.95x3 0.5', expect: 'firing@4 inactive@7' },
  { name: 'data begin late, with patience', rule: { for: 2 }, samples: '_x4 0.95x5', expect: 'pending@4 firing@6' },
  { name: 'there are no data', samples: '_x6', expect: '' },
  {
    name: 'every other sample is missing',
    rule: { for: 2 },
    samples: '0.95 _ 0.95 _ 0.95 _',
    expect: 'pending@0 inactive@1 pending@2 inactive@3 pending@4 inactive@5',
  },

  {
    name: 'without data it fires',
    rule: { noData: 'alert', noDataFor: 2 },
    samples: '0.5x3 _x5',
    expect: 'firing@5',
    firingOnly: true,
  },
  {
    name: 'without data it fires until they are back',
    rule: { noData: 'alert', noDataFor: 2 },
    samples: '0.5x2 _x5 0.5x3',
    expect: 'firing@4 inactive@7',
    firingOnly: true,
  },
  {
    name: 'a gap that is short enough',
    rule: { noData: 'alert', noDataFor: 3 },
    samples: '0.5x2 _x2 0.5x4',
    expect: '',
    firingOnly: true,
  },

  {
    name: 'two thresholds, up and down',
    rule: { levels: LEVELS },
    samples: '0.5x2 0.85x2 0.95x2 0.85x2 0.5x2',
    expect: { warning: 'firing@2 inactive@8', critical: 'firing@4 inactive@6' },
  },
  {
    name: 'two thresholds, with patience',
    rule: { levels: LEVELS, for: 2 },
    samples: '0.85x2 0.95x4 0.5x2',
    expect: { warning: 'pending@0 firing@2 inactive@6', critical: 'pending@2 firing@4 inactive@6' },
  },
  {
    name: 'two thresholds passed at once',
    rule: { levels: LEVELS },
    samples: '0.5x2 0.95x2 0.5x2',
    expect: { warning: 'firing@2 inactive@4', critical: 'firing@2 inactive@4' },
  },
  {
    name: 'two thresholds, the lesser one passed',
    rule: { levels: LEVELS },
    samples: '0.5x2 0.9x3 0.5',
    expect: { warning: 'firing@2 inactive@5', critical: '' },
  },
  {
    name: 'two thresholds, kept',
    rule: { levels: LEVELS, keepFiring: 2 },
    samples: '0.95x2 0.85x4 0.5x4',
    expect: { warning: 'firing@0 inactive@8', critical: 'firing@0 inactive@4' },
  },
  {
    name: 'two thresholds below',
    rule: { levels: '{ warning: { below: 0.3 }, critical: { below: 0.1 } }' },
    samples: '0.5 0.2x2 0.05x2 0.2 0.5',
    expect: { warning: 'firing@1 inactive@6', critical: 'firing@3 inactive@5' },
  },

  {
    name: 'two signals',
    rule: { and: BUSY },
    samples: '0.95x8',
    other: '0.1x3 0.9x3 0.1x2',
    expect: 'firing@3 inactive@6',
  },
  { name: 'the other signal alone', rule: { and: BUSY }, samples: '0.5x6', other: '0.9x6', expect: '' },
  { name: 'the other signal has no data', rule: { and: BUSY }, samples: '0.95x6', other: '_x6', expect: '' },
  {
    name: 'the other signal breaks the patience',
    rule: { and: BUSY, for: 2 },
    samples: '0.95x8',
    other: '0.9x2 0.1 0.9x5',
    expect: 'pending@0 inactive@2 pending@3 firing@5',
  },
  {
    name: 'the data of the other signal end',
    rule: { and: BUSY },
    samples: '0.95x8',
    other: '0.9x4 _x4',
    expect: 'firing@0 inactive@4',
  },
  {
    name: 'nearly full, and idle',
    rule: { and: '[{ signal: gpu.utilization, condition: { below: 0.1 } }]' },
    samples: '0.5x2 0.95x5',
    other: '0.05x5 0.9x2',
    expect: 'firing@2 inactive@5',
  },
  {
    name: 'two signals, two thresholds',
    rule: { and: BUSY, levels: LEVELS },
    samples: '0.85x3 0.95x5',
    other: '0.1x2 0.9x4 0.1x2',
    expect: { warning: 'firing@2 inactive@6', critical: 'firing@3 inactive@6' },
  },

  {
    name: 'the greatest of a window',
    rule: { aggregate: 'max', over: 3 },
    samples: '0.5x4 0.95x2 0.5x8',
    expect: 'firing@5 inactive@9',
    windowed: true,
  },
  {
    name: 'the least of a window',
    rule: { aggregate: 'min', over: 3 },
    samples: '0.5x3 0.95x7 0.5x3',
    expect: 'firing@6 inactive@11',
    windowed: true,
  },
  {
    name: 'the least of a window, interrupted',
    rule: { aggregate: 'min', over: 3 },
    samples: '0.5x2 0.95x2 0.5 0.95x2 0.5x3',
    expect: '',
    windowed: true,
  },
  {
    name: 'the mean of a window',
    rule: { over: 4, condition: '{ above: 0.8 }' },
    samples: '0.5x6 1x6 0.5x6',
    expect: 'firing@9 inactive@14',
    windowed: true,
  },
];

/** The label that keeps a timeline's series apart from those of the others. */
export const nodeOf = (index: number): string => `t${String(index + 1).padStart(2, '0')}`;

/** A timeline's rule, with beats of so many seconds. */
export function timelineRule({ rule = {}, name }: Timeline, index: number, beatSeconds: number): Rule {
  const beats = (n: number | undefined) => (n === undefined ? undefined : ruleDuration(n * beatSeconds));
  const fields = {
    alert: nodeOf(index).toUpperCase(),
    signal: 'gpu.memory.ratio',
    condition: rule.levels === undefined ? (rule.condition ?? '{ above: 0.9 }') : undefined,
    severity: rule.levels === undefined ? 'critical' : undefined,
    levels: rule.levels,
    for: beats(rule.for),
    keepFiring: beats(rule.keepFiring),
    aggregate: rule.aggregate,
    over: beats(rule.over),
    and: rule.and,
    // Without data an alert is over, as in Prometheus.
    noData: rule.noData ?? 'ok',
    noDataFor: beats(rule.noDataFor),
    by: '[node]',
    where: `{ node: ${nodeOf(index)} }`,
    summary: 'x',
    action: 'docs/x.md',
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const source = given.map(([field, value]) => `${field}: ${value}\n`).join('');
  const parsed = parseRule(source, `${name}.yaml`);
  if (!parsed.rule) throw new Error(JSON.stringify(parsed.problems));
  return parsed.rule;
}

/** The state in each of so many beats, as the timeline expects it. */
export function expectedStates(expect: string, beats: number): string[] {
  const changes = expect.split(' ').filter((word) => word !== '');
  const states = Array.from({ length: beats }, () => 'inactive');
  for (const change of changes) {
    const [state, at] = change.split('@') as [string, string];
    states.fill(state, Number(at));
  }
  return states;
}

/** What is expected of each severity; `critical` where the rule has one threshold. */
export const expectations = ({ expect }: Timeline): [Severity, string][] =>
  typeof expect === 'string' ? [['critical', expect]] : (Object.entries(expect) as [Severity, string][]);
