import { expect, it } from 'vitest';
import { windowOf } from './window.js';

const NOW = new Date('2026-03-01T10:20:07Z');
const of = (rule: { over: number | null; for: number }, activeSince: string) => {
  const { from, baselineUntil, to, step } = windowOf(rule, new Date(activeSince), NOW, 1);
  const time = (ms: number) => new Date(ms).toISOString().slice(11, 19);
  return [time(from), time(baselineUntil), time(to), step];
};

it.each<[string, { over: number | null; for: number }, string, [string, string, string, number]]>([
  [
    'a gauge held for ten minutes',
    { over: null, for: 600 },
    '2026-03-01T10:10:00Z',
    ['09:40:00', '09:55:00', '10:20:00', 30],
  ],
  ['a mean over five', { over: 300, for: 0 }, '2026-03-01T10:20:00Z', ['10:00:00', '10:07:30', '10:20:00', 15]],
  ['seconds', { over: 15, for: 8 }, '2026-03-01T10:19:59Z', ['10:16:44', '10:18:14', '10:20:05', 5]],
  ['hours', { over: null, for: 3600 }, '2026-03-01T04:20:06Z', ['04:20:06', '05:20:06', '10:20:00', 300]],
  ['a clock that is behind', { over: null, for: 0 }, '2026-03-01T11:00:00Z', ['10:17:06', '10:18:36', '10:20:06', 2]],
])('%s', (_, rule, activeSince, expected) => {
  expect(of(rule, activeSince)).toEqual(expected);
});

it('begins where anything is known, in steps as short', () => {
  const rule = { over: 15, for: 0 };
  const [held, now] = [new Date('2026-03-01T10:19:47Z'), NOW];
  const since = Date.parse('2026-03-01T10:19:27Z');
  expect(windowOf(rule, held, now, 1, since)).toMatchObject({ from: since, baselineUntil: since + 2500, step: 2 });
  // Where that is after the edge of what the rule looks at, there is no time before.
  const late = windowOf(rule, held, now, 1, held.getTime());
  expect(late).toMatchObject({ from: held.getTime() - 15_000, baselineUntil: held.getTime() - 15_000 });
  expect(windowOf(rule, held, now, 1, 0)).toEqual(windowOf(rule, held, now, 1));
});
