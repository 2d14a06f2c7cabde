import { expect, it } from 'vitest';
import { changedOf, keyOf } from './changed.js';
import type { StoredAlert } from './alert-store.js';
import { beatTime, untilNext } from './beat-time.js';

it.each([
  ['whoever evaluates beats with the clock', 10_250, 1000, true, 750],
  ['at the very beat, the next one', 10_000, 1000, true, 1000],
  ['a timer that was early makes no beat of its own', 9_999.6, 1000, true, 1000.4],
  ['the others look a little later', 10_150, 1000, false, 150],
  ['and a little later again', 10_300, 1000, false, 1000],
])('%s', (_, now, interval, leads, wait) => {
  expect(untilNext(now, interval, leads)).toBeCloseTo(wait, 6);
});

it.each([
  ['on time', 10_000, 10_000],
  ['early', 9_999.6, 10_000],
  ['late', 10_050, 10_000],
  ['too late', 10_300, 10_300],
])('a beat that is %s counts as its own time or that of its schedule', (_, now, counts) => {
  expect(beatTime(now, 1000)).toBe(counts);
});

const AT = Date.parse('2026-03-01T10:00:00Z');
const alert = (change: Partial<StoredAlert> = {}, seconds = 0): StoredAlert => ({
  rule: 'R',
  fingerprint: 'f',
  labels: {},
  state: 'inactive',
  since: new Date(AT),
  activeSince: null,
  clearSince: null,
  absentSince: null,
  firings: [],
  firedAt: null,
  value: 1,
  seenAt: new Date(AT),
  evaluatedAt: new Date(AT + seconds * 1000),
  ...change,
});
const known = (...alerts: StoredAlert[]) => new Map(alerts.map((one) => [keyOf(one), one]));

it.each<[string, StoredAlert[], Partial<StoredAlert>, boolean]>([
  ['a new one', [], {}, true],
  ['a quiet one', [alert(), alert({ fingerprint: 'older' }, -5)], {}, false],
  ['one that changed', [alert()], { state: 'pending', activeSince: new Date(AT) }, true],
  [
    'one that may fire',
    [alert({ state: 'pending', activeSince: new Date(AT) })],
    { state: 'pending', activeSince: new Date(AT) },
    true,
  ],
  ['one that is over', [alert({ state: 'firing', activeSince: new Date(AT) })], { state: 'resolved' }, true],
])('%s is written: %#', (_, before, change, isWritten) => {
  const after = [alert(change, 1), ...before.filter(({ fingerprint }) => fingerprint !== 'f')];
  expect(changedOf(known(...before), after, 1).some(({ fingerprint }) => fingerprint === 'f')).toBe(isWritten);
});

it('every quiet one is written within ten seconds, a share a beat, and all of them where beats are rare', () => {
  const all = Array.from({ length: 100 }, (_, i) => alert({ fingerprint: String(i) }));
  let written = known(...all);
  const seen = new Set<string>();
  for (let second = 1; second <= 10; second++) {
    const changed = changedOf(
      written,
      all.map((one) => alert({ fingerprint: one.fingerprint }, second)),
      1,
    );
    expect(changed).toHaveLength(10);
    for (const one of changed) seen.add(one.fingerprint);
    written = new Map([...written, ...known(...changed)]);
  }
  expect(seen.size).toBe(100);
  expect(changedOf(known(...all), all, 15)).toHaveLength(100);
});
