import { findSignal } from '@vigil/signals';
import { describe, expect, it } from 'vitest';
import { decide, fingerprintOf, FORGET_SECONDS, FORGET_UNRESOLVED_SECONDS, type DecideOptions } from './decide.js';
import { testRule } from './testing.js';
import type { Alert, AlertState, Rule } from './types.js';

const T0 = Date.parse('2026-03-01T10:00:00Z');
const at = (seconds: number) => new Date(T0 + seconds * 1000);
const LABELS = { node: 'a', gpu: '0' };
const OPTIONS: DecideOptions = { maxGapSeconds: 60, absenceCounts: true };
const HOLD = 30;
const held = testRule(`${HOLD}s`);
const immediate = testRule('0s');

/** An alert as the last beat, at 0 s, left it. */
function alert(state: AlertState, change: Partial<Alert> = {}): Alert {
  return {
    fingerprint: fingerprintOf(LABELS),
    labels: LABELS,
    state,
    since: at(-100),
    activeSince: null,
    clearSince: null,
    absentSince: null,
    firedAt: null,
    firings: [],
    value: 0.5,
    seenAt: at(0),
    evaluatedAt: at(0),
    ...change,
  };
}

const inactive = alert('inactive');
const pendingFresh = alert('pending', { activeSince: at(-5) });
const pendingRipe = alert('pending', { activeSince: at(-HOLD + 10) });
const firing = alert('firing', { activeSince: at(-90), firedAt: at(-60) });
const resolved = alert('resolved', { firedAt: at(-200) });
const silent = alert('no_data');
const unresolved = alert('no_data', { activeSince: at(-90), firedAt: at(-60) });

const beat = (rule: Rule, before: Alert | undefined, value: number | null, seconds = 10, options = OPTIONS) =>
  decide(rule, before ? [before] : [], value === null ? [] : [{ labels: LABELS, value }], at(seconds), options);

const ABOVE = 0.95;
const BELOW = 0.5;

describe('the transition table', () => {
  it.each<[string, Rule, Alert | undefined, number | null, AlertState | undefined, 'told' | 'noted' | 'no change']>([
    ['unknown, above, no "for": fires at once', immediate, undefined, ABOVE, 'firing', 'told'],
    ['unknown, above: waits', held, undefined, ABOVE, 'pending', 'noted'],
    ['unknown, below: is inactive', held, undefined, BELOW, 'inactive', 'no change'],
    ['unknown, exactly at the threshold: is not above', immediate, undefined, 0.9, 'inactive', 'no change'],
    ['unknown, not a number: is no reading', immediate, undefined, Number.NaN, undefined, 'no change'],
    ['unknown, no data: stays unknown', held, undefined, null, undefined, 'no change'],
    ['inactive, above, no "for": fires at once', immediate, inactive, ABOVE, 'firing', 'told'],
    ['inactive, above: waits', held, inactive, ABOVE, 'pending', 'noted'],
    ['inactive, below: stays', held, inactive, BELOW, 'inactive', 'no change'],
    ['inactive, no data: says so', held, inactive, null, 'no_data', 'noted'],
    ['pending, above, too early: waits on', held, pendingFresh, ABOVE, 'pending', 'no change'],
    ['pending, above, exactly long enough: fires', held, pendingRipe, ABOVE, 'firing', 'told'],
    ['pending, below: is inactive', held, pendingRipe, BELOW, 'inactive', 'noted'],
    ['pending, no data: says so', held, pendingRipe, null, 'no_data', 'noted'],
    ['firing, above: stays, and is not told again', held, firing, ABOVE, 'firing', 'no change'],
    ['firing, below: resolves', held, firing, BELOW, 'resolved', 'told'],
    ['firing, exactly at the threshold: resolves', held, firing, 0.9, 'resolved', 'told'],
    ['firing, no data: does not resolve, and says so', held, firing, null, 'no_data', 'told'],
    ['resolved, above, no "for": fires anew', immediate, resolved, ABOVE, 'firing', 'told'],
    ['resolved, above: waits anew', held, resolved, ABOVE, 'pending', 'noted'],
    ['resolved, below: stays', held, resolved, BELOW, 'resolved', 'no change'],
    ['resolved, no data: says so', held, resolved, null, 'no_data', 'noted'],
    ['no data, above, no "for": fires', immediate, silent, ABOVE, 'firing', 'told'],
    ['no data, above: waits', held, silent, ABOVE, 'pending', 'noted'],
    ['no data, below: is inactive', held, silent, BELOW, 'inactive', 'noted'],
    ['no data, no data: stays', held, silent, null, 'no_data', 'no change'],
    ['no data while firing, above: fires on, not told twice', held, unresolved, ABOVE, 'firing', 'noted'],
    ['no data while firing, below: resolves', held, unresolved, BELOW, 'resolved', 'told'],
    ['no data while firing, no data: stays', held, unresolved, null, 'no_data', 'no change'],
  ])('%s', (_, rule, before, value, state, said) => {
    const { alerts, transitions } = beat(rule, before, value);
    expect(alerts.map((a) => a.state)).toEqual(state === undefined ? [] : [state]);
    const expected = said === 'no change' ? [] : [[before?.state ?? 'inactive', state, said === 'told']];
    expect(transitions.map((t) => [t.from, t.to, t.notify])).toEqual(expected);
    // The same beat once more changes nothing: no transition is repeated.
    const again = decide(rule, alerts, value === null ? [] : [{ labels: LABELS, value }], at(10), OPTIONS);
    expect(again.transitions).toEqual([]);
  });
});

describe('what an alert remembers', () => {
  it('is when it entered its state, when the condition began, and when it fired', () => {
    const { alerts } = beat(held, pendingRipe, ABOVE);
    expect(alerts[0]).toMatchObject({
      since: at(10),
      activeSince: at(-20),
      firedAt: at(10),
      value: ABOVE,
      seenAt: at(10),
    });
    const { alerts: later } = decide(held, alerts, [{ labels: LABELS, value: 0.97 }], at(20), OPTIONS);
    expect(later[0]).toMatchObject({
      since: at(10),
      activeSince: at(-20),
      firedAt: at(10),
      value: 0.97,
      seenAt: at(20),
    });
  });

  it('is the last value and its time when data end', () => {
    expect(beat(held, firing, null).alerts[0]).toMatchObject({ value: 0.5, seenAt: at(0), evaluatedAt: at(10) });
  });

  it('tells a resolution since when it lasted', () => {
    expect(beat(held, firing, BELOW).transitions[0]).toMatchObject({
      activeSince: at(-90),
      alert: { activeSince: null },
    });
  });
});

describe('time that nobody watched', () => {
  const pending = alert('pending', { activeSince: at(-20) });
  it.each<[string, number, AlertState]>([
    ['a beat late within bounds counts', 60, 'firing'],
    ['an outage does not count towards "for"', 61, 'pending'],
    ['a jump forward by a day does not count', 86_400, 'pending'],
    ['a jump back by an hour does not count', -3600, 'pending'],
    ['the same instant twice does not count', 0, 'pending'],
  ])('%s', (_, seconds, state) => {
    const { alerts } = beat(held, pending, ABOVE, seconds);
    expect(alerts[0]!.state).toBe(state);
  });

  it.each([86_400, -3600])('the clock of "for" goes on where it stood after a jump of %d s', (jump) => {
    const first = beat(held, pending, ABOVE, jump);
    expect(jump - (first.alerts[0]!.activeSince!.getTime() - T0) / 1000).toBe(20);
    const early = decide(held, first.alerts, [{ labels: LABELS, value: ABOVE }], at(jump + 9), OPTIONS);
    const ripe = decide(held, first.alerts, [{ labels: LABELS, value: ABOVE }], at(jump + 10), OPTIONS);
    expect([early.alerts[0]!.state, ripe.alerts[0]!.state]).toEqual(['pending', 'firing']);
  });

  it.each([firing, resolved, inactive, silent])('a jump back changes no state by itself', (before) => {
    const value = before.state === 'firing' ? ABOVE : before.state === 'no_data' ? null : BELOW;
    expect(beat(held, before, value, -7200).transitions).toEqual([]);
  });
});

describe('after a start or an outage', () => {
  it.each([inactive, pendingFresh, firing, resolved, silent, unresolved])(
    'nothing is concluded from data that are not there yet',
    (before) => {
      const decision = beat(held, before, null, 10, { ...OPTIONS, absenceCounts: false });
      expect(decision).toEqual({ alerts: [{ ...before, evaluatedAt: at(10) }], transitions: [], forgotten: [] });
    },
  );

  it.each<[Alert, number, AlertState | null]>([
    [firing, ABOVE, null],
    [firing, BELOW, 'resolved'],
    [pendingRipe, ABOVE, 'firing'],
    [resolved, BELOW, null],
  ])('readings count at once', (before, value, to) => {
    const { transitions } = beat(held, before, value, 10, { ...OPTIONS, absenceCounts: false });
    expect(transitions.map((t) => t.to)).toEqual(to === null ? [] : [to]);
  });
});

describe('a rule on an age', () => {
  const silence: Rule = {
    ...immediate,
    signal: findSignal('gpu.silence')!,
    condition: { kind: 'above', threshold: 120 },
  };
  const early = { ...OPTIONS, absenceCounts: false };

  it('fires although data ended, since the age is there', () => {
    expect(beat(silence, inactive, 500).transitions.map((t) => t.to)).toEqual(['firing']);
  });

  it.each([undefined, inactive, resolved, silent])(
    'concludes nothing after a start or an outage from what may only not be stored yet',
    (before) => {
      const { alerts, transitions } = beat(silence, before, 500, 10, early);
      expect(transitions).toEqual([]);
      expect(alerts).toEqual(before ? [{ ...before, evaluatedAt: at(10) }] : []);
    },
  );

  it('believes at once that something is there', () => {
    expect(beat(silence, firing, 5, 10, early).transitions.map((t) => t.to)).toEqual(['resolved']);
  });

  it('does not resolve when even the age is forgotten', () => {
    const { transitions } = beat(silence, firing, null);
    expect(transitions.map((t) => [t.to, t.notify])).toEqual([['no_data', true]]);
  });
});

describe('label sets', () => {
  it('without data are forgotten after an hour, those that still fired after a day', () => {
    const forgotten = (before: Alert, seconds: number) => beat(held, before, null, seconds).forgotten.length;
    expect([forgotten(silent, FORGET_SECONDS), forgotten(silent, FORGET_SECONDS + 1)]).toEqual([0, 1]);
    expect([forgotten(unresolved, FORGET_SECONDS + 1), forgotten(unresolved, FORGET_UNRESOLVED_SECONDS + 1)]).toEqual([
      0, 1,
    ]);
  });

  it('go their own ways', () => {
    const other = { node: 'a', gpu: '1' };
    const readings = [
      { labels: LABELS, value: ABOVE },
      { labels: other, value: BELOW },
    ];
    const { alerts } = decide(immediate, [], readings, at(0), OPTIONS);
    expect(alerts.map((a) => [a.labels.gpu, a.state])).toEqual([
      ['0', 'firing'],
      ['1', 'inactive'],
    ]);
  });

  it('carry what the rule fixes', () => {
    const { alerts } = beat(testRule('0s', 'where: { replay: true }'), undefined, ABOVE);
    expect(alerts[0]!.labels).toEqual({ node: 'a', gpu: '0', replay: 'true' });
  });

  it('have one fingerprint in any order, never a long one, and another one for other values', () => {
    expect(fingerprintOf({ a: '1', b: '2' })).toBe(fingerprintOf({ b: '2', a: '1' }));
    expect(fingerprintOf({ a: '1","b' })).not.toBe(fingerprintOf({ a: '1', b: '' }));
    const long = fingerprintOf({ model: 'x'.repeat(5000) });
    expect(long.length).toBeLessThan(100);
    expect(long).not.toBe(fingerprintOf({ model: 'x'.repeat(5001) }));
  });
});

it('"below" means less than', () => {
  const rule: Rule = { ...immediate, condition: { kind: 'below', threshold: 0.9 } };
  const states = [0.89, 0.9, 0.91].map((value) => beat(rule, undefined, value).alerts[0]!.state);
  expect(states).toEqual(['firing', 'inactive', 'inactive']);
});

describe('an alert that is kept firing', () => {
  const kept: Rule = { ...immediate, keepFiring: 30 };
  const since = { activeSince: at(-90), firedAt: at(-60) };

  it.each<[string, Alert, number | null, AlertState, Date | null, boolean]>([
    ['firing, below: stays', alert('firing', since), BELOW, 'firing', at(10), false],
    ['and stays on', alert('firing', { ...since, clearSince: at(-19) }), BELOW, 'firing', at(-19), false],
    [
      'until it was below long enough',
      alert('firing', { ...since, clearSince: at(-20) }),
      BELOW,
      'resolved',
      null,
      true,
    ],
    [
      'above again: as if nothing had been',
      alert('firing', { ...since, clearSince: at(-19) }),
      ABOVE,
      'firing',
      null,
      false,
    ],
    ['no data: says so', alert('firing', { ...since, clearSince: at(-19) }), null, 'no_data', null, true],
    ['no data while firing, below: fires on', alert('no_data', since), BELOW, 'firing', at(10), false],
    ['pending, below: is not kept', alert('pending', { activeSince: at(-5) }), BELOW, 'inactive', null, false],
    ['resolved, below: stays', alert('resolved'), BELOW, 'resolved', null, false],
  ])('%s', (_, before, value, state, clearSince, told) => {
    const { alerts, transitions } = beat(kept, before, value);
    expect([alerts[0]!.state, alerts[0]!.clearSince]).toEqual([state, clearSince]);
    expect(transitions.some(({ notify }) => notify)).toBe(told);
  });
});

describe('the end of data', () => {
  const late = { noDataFor: 30 };
  const absent = (seconds: number) => ({ absentSince: at(seconds) });
  it.each<[string, Partial<Rule>, Alert, AlertState, 'told' | 'not told']>([
    ['keep: what fires is not over', {}, firing, 'no_data', 'told'],
    ['ok: what fires is over', { noData: 'ok' }, firing, 'resolved', 'told'],
    ['ok: what is over is not known', { noData: 'ok' }, resolved, 'no_data', 'not told'],
    ['ok: what was pending is not known', { noData: 'ok' }, pendingFresh, 'no_data', 'not told'],
    ['ok: what fired without data is over', { noData: 'ok' }, unresolved, 'resolved', 'told'],
    ['alert: fires', { noData: 'alert' }, inactive, 'firing', 'told'],
    ['alert: what fires fires on', { noData: 'alert' }, firing, 'firing', 'not told'],
    ['alert: fires whatever the patience', { noData: 'alert', for: 600 }, inactive, 'firing', 'told'],
    ['too early for anything: fires on', late, firing, 'firing', 'not told'],
    ['too early for anything: is pending on', late, pendingRipe, 'pending', 'not told'],
    ['too early to fire', { ...late, noData: 'alert' }, inactive, 'inactive', 'not told'],
    ['just long enough', { ...late, noData: 'alert' }, alert('inactive', absent(-20)), 'firing', 'told'],
    ['a second too early', { ...late, noData: 'alert' }, alert('inactive', absent(-19)), 'inactive', 'not told'],
    ['long enough to say so', late, alert('firing', { ...firing, ...absent(-20) }), 'no_data', 'told'],
  ])('%s', (_, change, before, state, told) => {
    const { alerts, transitions } = beat({ ...immediate, ...change }, before, null);
    expect(alerts[0]!.state).toBe(state);
    expect(transitions.some(({ notify }) => notify)).toBe(told === 'told');
  });

  it('that fires is over when they are back and all is well, and has no value until then', () => {
    const rule: Rule = { ...immediate, noData: 'alert' };
    const gone = beat(rule, inactive, null).alerts[0]!;
    expect([gone.state, gone.value, gone.firedAt]).toEqual(['firing', null, at(10)]);
    const back = beat(rule, gone, BELOW, 20);
    expect(back.transitions.map(({ from, to, notify }) => [from, to, notify])).toEqual([['firing', 'resolved', true]]);
    expect(back.alerts[0]!.absentSince).toBeNull();
  });

  it('is forgotten after a day, where nobody brings them back', () => {
    const rule: Rule = { ...immediate, noData: 'alert' };
    const gone = alert('firing', { activeSince: at(-10), value: null });
    expect(beat(rule, gone, null, FORGET_UNRESOLVED_SECONDS + 1).forgotten).toEqual([gone.fingerprint]);
  });

  it('counts from where somebody watches again', () => {
    const rule: Rule = { ...immediate, noData: 'alert', noDataFor: 30 };
    const before = alert('inactive', { absentSince: at(-10) });
    const blind = beat(rule, before, null, 3600, { ...OPTIONS, absenceCounts: false }).alerts[0]!;
    expect(blind.absentSince).toEqual(at(3590));
    expect(beat(rule, blind, null, 3610).alerts[0]!.state).toBe('inactive');
    expect(beat(rule, blind, null, 3620).alerts[0]!.state).toBe('firing');
  });
});

describe('an alert that flaps', () => {
  const play = (values: readonly number[], stepSeconds: number) => {
    let known: Alert[] = [];
    return values.map((value, i) => {
      const decision = decide(immediate, known, [{ labels: LABELS, value }], at(i * stepSeconds), OPTIONS);
      known = decision.alerts;
      return decision.transitions.filter(({ notify }) => notify).map(({ to }) => to);
    });
  };
  const flap = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? ABOVE : BELOW));

  it('is told four times, and then only when it was calm for ten minutes', () => {
    const calm = Array.from({ length: 25 }, () => BELOW);
    const told = play([...flap, ...calm], 30).map(([what]) => what ?? '');
    expect(told.slice(0, 7)).toEqual(['firing', 'resolved', 'firing', 'resolved', 'firing', 'resolved', 'firing']);
    expect(told.slice(7).filter((what) => what !== '')).toEqual(['resolved']);
    // 39 was the first of the calm.
    expect(told.indexOf('resolved', 7)).toBe(39 + 600 / 30);
  });

  it('but one that fires once in twenty minutes does not', () => {
    const told = play(flap, 600).flat();
    expect(told).toHaveLength(flap.length);
  });

  it('and firings of a time that is yet to come (the clock jumped back) do not count', () => {
    const odd = alert('firing', { ...firing, firings: [at(100), at(200), at(300), at(400)] });
    expect(beat(immediate, odd, BELOW).alerts[0]!.state).toBe('resolved');
  });
});

describe('what a reading must bring along', () => {
  const few: Rule = { ...immediate, minSamples: 20 };
  const seen = (samples: number | undefined, also?: boolean) =>
    decide(
      few,
      [],
      [{ labels: LABELS, value: ABOVE, ...(samples && { samples }), ...(also !== undefined && { also }) }],
      at(0),
      OPTIONS,
    ).alerts[0]!.state;

  it.each([
    ['too few requests', 19, undefined, 'inactive'],
    ['just enough', 20, undefined, 'firing'],
    ['not counted', undefined, undefined, 'firing'],
    ['another signal that is well', 20, false, 'inactive'],
    ['another signal that is not', 20, true, 'firing'],
  ] as const)('%s', (_, samples, also, state) => {
    expect(seen(samples, also)).toBe(state);
  });
});
