import { findSignal } from '@vigil/signals';
import { describe, expect, it } from 'vitest';
import { Course, type StepPoint } from './course.js';
import { parseRule } from './parse.js';
import { PreviewError, previewRule, type ReadSteps, type StepRange } from './preview.js';
import { testRule } from './testing.js';
import type { Query, Rule } from './types.js';

const T0 = Date.parse('2026-03-01T00:00:00Z');
const at = (minutes: number) => new Date(T0 + minutes * 60_000);
const LABELS = { node: 'a', gpu: '0' };

const read = (text: string): Rule =>
  parseRule(`alert: A\nsummary: x\naction: x\n${text}${text.includes('levels') ? '' : '\nseverity: info'}`, 'a.yaml')
    .rule!;

/** A store in which a signal has a value in each minute, and what was asked of it. */
function store(valueAt: (minute: number, query: Query) => number | undefined, samples = 10) {
  const asked: StepRange[] = [];
  const reader: ReadSteps = async (query, range) => {
    asked.push(range);
    const points: StepPoint[] = [];
    for (let time = range.from.getTime(); time < range.to.getTime(); time += range.step * 1000) {
      const value = valueAt((time - T0) / 60_000, query);
      if (value !== undefined) points.push({ time: new Date(time), labels: LABELS, value, samples });
    }
    return points.slice(0, range.limit);
  };
  return { reader, asked };
}

describe('what a preview says', () => {
  it('is when the rule would have fired, with values and what people would have read', async () => {
    const { reader } = store((minute) => (minute >= 100 && minute < 130 ? 0.95 : 0.5));
    const preview = await previewRule(testRule('10m'), reader, { from: at(0), to: at(24 * 60) });
    expect(preview).toMatchObject({ from: at(0), to: at(1440), step: 60, cutShort: null, firings: 1 });
    const [alert] = preview.alerts;
    expect(alert).toMatchObject({ labels: LABELS, firings: 1, firingSeconds: 20 * 60, min: 0.5, max: 0.95 });
    expect(alert!.transitions).toEqual([
      { at: at(101), from: 'inactive', to: 'pending', value: 0.95, told: false, summary: 'GPU 0 uses 95 %' },
      { at: at(111), from: 'pending', to: 'firing', value: 0.95, told: true, summary: 'GPU 0 uses 95 %' },
      { at: at(131), from: 'firing', to: 'resolved', value: 0.5, told: true, summary: 'GPU 0 uses 50 %' },
    ]);
  });

  it('has several thresholds, each with its own', async () => {
    const rule = read(
      'signal: gpu.power\nby: [node, gpu]\nlevels: { warning: { above: 10 }, critical: { above: 20 } }',
    );
    const { reader } = store((minute) => [5, 15, 25, 15, 5][Math.min(4, Math.floor(minute / 10))]);
    const { alerts } = await previewRule(rule, reader, { from: at(0), to: at(60) });
    expect(alerts.map(({ labels, firingSeconds }) => [labels.severity, firingSeconds / 60])).toEqual([
      ['warning', 30],
      ['critical', 10],
    ]);
  });

  it('compares with an earlier time, which is read as well', async () => {
    const rule = read(
      'signal: token.output.rate\nby: []\nover: 1h\ncomparedWith: 7d\ncondition: { below: 0.5 }\nminSamples: 100',
    );
    // 100 a second until the seventh day's noon, then a third of it.
    const { reader } = store((minute) => (minute < 7 * 1440 + 720 ? 100 : 33));
    const { alerts, firings } = await previewRule(rule, reader, { from: at(7 * 1440), to: at(8 * 1440) });
    expect(firings).toBe(1);
    const [fired] = alerts[0]!.transitions;
    // (60 - n) minutes at 100 and n at 33 are less than half of it from the 45th minute on.
    expect([fired!.to, fired!.at]).toEqual(['firing', at(7 * 1440 + 720 + 45)]);
    expect(fired!.value).toBeCloseTo((15 * 100 + 45 * 33) / 60 / 100);
  });

  it('needs the other signals, too', async () => {
    const rule = read(
      'signal: gpu.memory.ratio\nby: [node]\ncondition: { above: 0.9 }\nand: [{ signal: gpu.utilization, condition: { below: 0.1 } }]',
    );
    const { reader } = store((minute, { signal }) =>
      signal.id === 'gpu.utilization' ? (minute >= 30 && minute < 40 ? 0.05 : 0.8) : 0.95,
    );
    const { alerts } = await previewRule(rule, reader, { from: at(0), to: at(60) });
    expect(alerts[0]!.transitions.map(({ to, at: when }) => [to, when])).toEqual([
      ['firing', at(31)],
      ['resolved', at(41)],
    ]);
  });
});

describe('a preview of percentiles', () => {
  const rule = read(
    'signal: response.latency\naggregate: p95\nover: 1h\nby: []\ncondition: { above: 2 }\nand: [{ signal: request.rate, over: 5m, condition: { above: 0 } }]',
  );

  it('looks a fifth of the window apart, each time over the whole window', async () => {
    const { reader, asked } = store((minute, { signal }) => (signal.id === 'request.rate' ? 1 : minute >= 100 ? 3 : 1));
    const { alerts } = await previewRule(rule, reader, { from: at(7), to: at(600) });
    const looks = asked.filter(({ over }) => over !== undefined);
    expect(new Set(looks.map(({ step, over }) => `${step} ${over}`))).toEqual(new Set(['720 3600']));
    for (const { from, to } of looks) expect([from.getTime() % 720_000, to.getTime() % 720_000]).toEqual([0, 0]);
    // What begins at 108 was seen with its end.
    expect(alerts[0]!.transitions.map(({ to, at: when }) => [to, when])).toEqual([['firing', at(120)]]);
  });
});

describe('what a preview costs', () => {
  const rule = testRule('0s');

  it('is one read a day, once it is seen that so much is little', async () => {
    const { reader, asked } = store(() => 0.5);
    await previewRule(rule, reader, { from: at(0), to: at(7 * 1440) });
    expect(asked.length).toBeLessThan(13);
    expect(Math.max(...asked.map(({ from, to }) => to.getTime() - from.getTime()))).toBeLessThanOrEqual(86_400_000);
  });

  it('is read in shorter pieces where an answer is as long as it may be, or too slow', async () => {
    const { reader, asked } = store((minute) => (minute >= 500 && minute < 510 ? 0.95 : 0.5));
    let slow = 0;
    const crowded: ReadSteps = async (query, range) => {
      if (range.to.getTime() - range.from.getTime() > 20 * 60_000) return slow++ % 2 ? undefined : tooMany(range.limit);
      return reader(query, range);
    };
    const { firings, cutShort } = await previewRule(rule, crowded, { from: at(0), to: at(1440) });
    expect([firings, cutShort]).toEqual([1, null]);
    expect(slow).toBeGreaterThan(0);
    // Nothing was read twice, and nothing left out.
    asked.slice(1).forEach(({ from }, i) => expect(from).toEqual(asked[i]!.to));
  });

  const POINTS: StepPoint[] = Array.from({ length: 200_000 }, () => ({
    time: at(0),
    labels: LABELS,
    value: 1,
    samples: 1,
  }));
  const tooMany = (limit: number): StepPoint[] => POINTS.slice(0, limit);

  it('ends where a single step is too much', async () => {
    const { cutShort, firings } = await previewRule(rule, async (_, { limit }) => tooMany(limit), {
      from: at(0),
      to: at(1440),
    });
    expect(cutShort).toContain('There is too much in a single step');
    expect(firings).toBe(0);
  });

  it('ends when its time is over, and says how far it came', async () => {
    let now = 0;
    const { reader } = store(() => 0.95);
    const { to, cutShort, firings } = await previewRule(rule, reader, {
      from: at(0),
      to: at(7 * 1440),
      clock: () => (now += 10),
    });
    expect(cutShort).toBe('10 s were not enough for the whole range: give a shorter one, or a longer step.');
    expect([to > at(0), to < at(7 * 1440), firings]).toEqual([true, true, 1]);
  });

  it.each<[string, number, number, number | undefined, string]>([
    ['nothing', 10, 10, undefined, '"from" must lie before "to"'],
    ['backwards', 10, 0, undefined, '"from" must lie before "to"'],
    ['a quarter', 0, 90 * 1440, undefined, 'A preview goes over 32 days at the most'],
    ['a day in seconds', 0, 1440, 15, 'a preview goes over six hours at the most'],
    ['a step of a minute and a half', 0, 1440, 90, '"step" must be whole seconds'],
  ])('%s is refused', async (_, from, to, step, sentence) => {
    const wanted = previewRule(rule, async () => [], { from: at(from), to: at(to), ...(step && { step }) });
    await expect(wanted).rejects.toThrow(sentence);
    await expect(wanted).rejects.toBeInstanceOf(PreviewError);
  });
});

describe('a window that goes along', () => {
  const query = (id: string, over: number | null, change: Partial<Query> = {}): Query => ({
    signal: findSignal(id)!,
    aggregate: 'mean',
    over,
    by: [],
    where: {},
    ...change,
  });
  const values = (course: Course, until: number) =>
    Array.from({ length: until }, (_, i) => course.at(T0 + (i + 1) * 60_000)[0]?.value);
  const feed = (course: Course, minutes: readonly (readonly [number, number, number])[]) => {
    course.feed(minutes.map(([minute, value, samples]) => ({ time: at(minute), labels: {}, value, samples })));
    return course;
  };

  it('weighs each step by what it rests on', () => {
    const course = feed(new Course(query('request.error.ratio', 120), 60), [
      [0, 1, 1],
      [1, 0, 3],
      [3, 0.5, 2],
    ]);
    expect(values(course, 6)).toEqual([1, 0.25, 0, 0.5, 0.5, undefined]);
  });

  it('counts over its whole length', () => {
    const course = feed(new Course(query('request.rate', 300), 60), [[0, 5, 300]]);
    expect(values(course, 6)).toEqual([1, 1, 1, 1, 1, undefined]);
  });

  it('says nothing of events for a day after the last', () => {
    const course = feed(new Course(query('gpu.xid.count', 120), 60), [[0, 2, 2]]);
    expect(values(course, 4)).toEqual([2, 2, 0, 0]);
    expect(course.at(T0 + 1441 * 60_000)).toEqual([]);
  });

  it('knows its greatest and its least', () => {
    const minutes = [
      [0, 1, 1],
      [1, 9, 1],
      [2, 3, 1],
      [3, 2, 1],
    ] as const;
    expect(values(feed(new Course(query('gpu.power', 120, { aggregate: 'max' }), 60), minutes), 4)).toEqual([
      1, 9, 9, 3,
    ]);
    expect(values(feed(new Course(query('gpu.power', 120, { aggregate: 'min' }), 60), minutes), 4)).toEqual([
      1, 1, 3, 2,
    ]);
  });

  it('forgets the latest reading after two minutes', () => {
    const course = feed(new Course(query('gpu.power', null), 60), [[0, 7, 4]]);
    expect(values(course, 4)).toEqual([7, 7, undefined, undefined]);
  });

  it('goes on for a week without forgetting what it must, nor keeping what it need not', () => {
    const course = new Course(query('request.error.ratio', 300), 60);
    let last: number | undefined;
    for (let minute = 0; minute < 7 * 1440; minute++) {
      feed(course, [[minute, minute % 2, 1]]);
      last = course.at(T0 + (minute + 1) * 60_000)[0]!.value;
    }
    expect(last).toBe(0.6);
  });
});
