import { describe, expect, it } from 'vitest';
import { describeLocal, quietUntil, type QuietHours } from './quiet.js';

const ALL = [0, 1, 2, 3, 4, 5, 6];
const hours = (from: string, to: string, zone = 'UTC', days = ALL): QuietHours => {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  return { name: 'q', from: minutes(from), to: minutes(to), zone, days };
};
const until = (quiet: QuietHours, now: string) => quietUntil(quiet, new Date(now))?.toISOString() ?? null;

describe('quiet hours', () => {
  it.each([
    ['before them', hours('22:00', '07:00'), '2026-03-04T21:59:59Z', null],
    ['from their first second', hours('22:00', '07:00'), '2026-03-04T22:00:00Z', '2026-03-05T07:00:00.000Z'],
    ['beyond midnight', hours('22:00', '07:00'), '2026-03-05T06:59:59Z', '2026-03-05T07:00:00.000Z'],
    ['until their last second', hours('22:00', '07:00'), '2026-03-05T07:00:00Z', null],
    ['within a day', hours('12:00', '13:30'), '2026-03-05T12:30:00Z', '2026-03-05T13:30:00.000Z'],
    ['all day long', hours('00:00', '00:00'), '2026-03-05T12:30:00Z', '2026-03-06T00:00:00.000Z'],
    ['in another zone', hours('22:00', '07:00', 'Asia/Shanghai'), '2026-03-05T15:00:00Z', '2026-03-05T23:00:00.000Z'],
    [
      'in a zone of a half hour',
      hours('22:00', '07:00', 'Asia/Kolkata'),
      '2026-03-05T17:00:00Z',
      '2026-03-06T01:30:00.000Z',
    ],
    // 2026-03-06 is a Friday.
    [
      'of a day on which they begin',
      hours('22:00', '07:00', 'UTC', [5]),
      '2026-03-07T03:00:00Z',
      '2026-03-07T07:00:00.000Z',
    ],
    ['of a day on which they do not', hours('22:00', '07:00', 'UTC', [5]), '2026-03-07T23:00:00Z', null],
    // Clocks in Berlin go from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25.
    [
      'in a night that is short',
      hours('22:00', '07:00', 'Europe/Berlin'),
      '2026-03-28T23:00:00Z',
      '2026-03-29T05:00:00.000Z',
    ],
    [
      'in a night that is long',
      hours('22:00', '07:00', 'Europe/Berlin'),
      '2026-10-24T23:00:00Z',
      '2026-10-25T06:00:00.000Z',
    ],
  ])('%s', (_, quiet, now, expected) => {
    expect(until(quiet, now)).toBe(expected);
  });

  it('that end at a time that is left out end, and are never stuck', () => {
    const quiet = hours('22:00', '02:30', 'Europe/Berlin');
    let now = new Date('2026-03-28T23:30:00Z');
    let looks = 0;
    for (let end = quietUntil(quiet, now); end && looks < 200; end = quietUntil(quiet, now), looks++) {
      expect(end.getTime()).toBeGreaterThan(now.getTime());
      now = end;
    }
    expect(now.getTime()).toBeGreaterThanOrEqual(Date.parse('2026-03-29T01:00:00Z'));
    expect(now.getTime()).toBeLessThanOrEqual(Date.parse('2026-03-29T02:00:00Z'));
  });

  it('are said in their own time', () => {
    expect(describeLocal(new Date('2026-03-05T23:00:00Z'), 'Asia/Shanghai')).toBe('2026-03-06 07:00 Asia/Shanghai');
  });
});
