/** Hours of every day, or of some, in which only what is critical is told. */
export interface QuietHours {
  name: string;
  /** Minutes since midnight, in the zone's own time. */
  from: number;
  /** The same; not after `from` where it lasts beyond midnight. */
  to: number;
  /** An IANA time zone. */
  zone: string;
  /** Days on which it begins, 0 is Sunday. */
  days: readonly number[];
}

const MINUTE = 60_000;
const DAY_MINUTES = 1440;
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/**
 * Until when it is quiet; null where it is not. Where clocks are set meanwhile, the end is the time on the clock.
 * @returns a time after `now`
 */
export function quietUntil(hours: QuietHours, now: Date): Date | null {
  if (!isQuiet(hours, now)) return null;
  const { minutes } = localTime(now, hours.zone);
  const left = (hours.to - minutes + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
  const minute = Math.floor(now.getTime() / MINUTE) * MINUTE;
  const end = minute + left * MINUTE;
  // A change of clocks in between moves the end by as much.
  const off = localTime(new Date(end), hours.zone).minutes - hours.to;
  const wrapped = ((off + DAY_MINUTES + DAY_MINUTES / 2) % DAY_MINUTES) - DAY_MINUTES / 2;
  return new Date(Math.max(end - wrapped * MINUTE, minute + MINUTE));
}

function isQuiet({ from, to, zone, days }: QuietHours, now: Date): boolean {
  const { day, minutes } = localTime(now, zone);
  const yesterday = (day + 6) % 7;
  if (from < to) return days.includes(day) && minutes >= from && minutes < to;
  return (days.includes(day) && minutes >= from) || (days.includes(yesterday) && minutes < to);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function localTime(time: Date, zone: string): { day: number; minutes: number } {
  let format = formats.get(zone);
  if (!format) {
    const shape = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    formats.set(zone, (format = new Intl.DateTimeFormat('en-US', { ...shape, timeZone: zone })));
  }
  const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
  return { day: WEEKDAYS.indexOf(parts.weekday!), minutes: Number(parts.hour) * 60 + Number(parts.minute) };
}

/** `2026-03-01 07:00 Europe/Berlin`. */
export function describeLocal(time: Date, zone: string): string {
  const format = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'short', timeZone: zone });
  return `${format.format(time)} ${zone}`;
}
