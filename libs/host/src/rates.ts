/** A count that only grows, and when it was read: seconds of a clock that does not jump. */
export interface Count {
  at: number;
  value: number | null;
}

/**
 * How fast a count grew, a second. `null` where that can't be known: no earlier reading, no time between the two, or a
 * count that fell because what counts was started anew. Never negative, never NaN.
 */
export function rateOf(before: Count | undefined, now: Count): number | null {
  if (before?.value == null || now.value === null) return null;
  const seconds = now.at - before.at;
  const growth = now.value - before.value;
  return seconds > 0 && growth >= 0 && Number.isFinite(growth / seconds) ? growth / seconds : null;
}

/** What two readings of the CPUs tell, see `Cpu`. */
export interface CpuSeconds {
  busySeconds: number;
  idleSeconds: number;
}

/**
 * Share of the time of all CPUs between two readings that was not idle, 0 to 1; `null` where the counts stood still or
 * fell. The kernel lets the time of waiting for disks shrink at times (proc(5)), by a tick or two.
 */
export function cpuRatio(before: CpuSeconds | null | undefined, now: CpuSeconds | null): number | null {
  if (!before || !now) return null;
  const busy = now.busySeconds - before.busySeconds;
  const idle = now.idleSeconds - before.idleSeconds;
  const JITTER = 0.1;
  if (busy < 0 || idle < -JITTER || busy + idle <= 0) return null;
  return Math.min(busy / (busy + idle), 1);
}

/**
 * The sum of rates of several things, such as interfaces. `null` where there is none, or where one that was there before
 * has no rate now: a sum without it would be too small. What is new has no rate yet and does not count.
 */
export function sumOfRates(rates: readonly { rate: number | null; isNew: boolean }[]): number | null {
  const known = rates.filter(({ rate, isNew }) => rate !== null || !isNew);
  if (known.length === 0 || known.some(({ rate }) => rate === null)) return null;
  return known.reduce((sum, { rate }) => sum + rate!, 0);
}
