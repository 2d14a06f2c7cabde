/**
 * Processes that do not evaluate look a part of the interval later than the one that does: it is there first on every beat, and
 * one of them takes over as soon as it misses one.
 */
const FOLLOWER_PHASE = 0.3;

/** A timer may be a little early, or late: within this part of an interval a beat is that of its schedule. */
const LEEWAY = 0.1;

/** The time that a beat counts as, in milliseconds: that of its schedule where it is hardly early or late. */
export function beatTime(nowMs: number, intervalMs: number): number {
  const nearest = Math.round(nowMs / intervalMs) * intervalMs;
  return Math.abs(nowMs - nearest) < intervalMs * LEEWAY ? nearest : nowMs;
}

/** Milliseconds until the next beat: whole intervals of the clock, so that a `for` of five beats is five beats long. */
export function untilNext(nowMs: number, intervalMs: number, leads: boolean): number {
  const phase = leads ? 0 : intervalMs * FOLLOWER_PHASE;
  const next = (Math.floor((nowMs - phase) / intervalMs + LEEWAY) + 1) * intervalMs + phase;
  return next - nowMs;
}
