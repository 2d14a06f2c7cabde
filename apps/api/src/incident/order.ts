import type { CourseRow } from '@vigil/store';
import type { LookedAt } from './looked-at.js';
import { bandOf, findShift, LEAST_BASELINE, median, type Point } from './shift.js';
import type { Ending, Mover, Standing } from './types.js';

/** One signal for one set of labels, in order of time. */
export interface Course extends LookedAt {
  labels: Record<string, string>;
  points: Point[];
  /** Until when its points say what was normal, in milliseconds. */
  baselineUntil: number;
}

/** What an alert is about, and the time that is looked at; milliseconds, the step in seconds. */
export interface Subject {
  signal: string;
  labels: Readonly<Record<string, string>>;
  from: number;
  baselineUntil: number;
  activeSince: number;
  to: number;
  step: number;
}

/** Most that is kept of each; a fleet whose every GPU moves is told by its first ones. */
const MOVERS = 24;
const STANDINGS = 60;

/** Where little is known of the time before (Vigil has just begun to watch), the first points are what was normal. */
function baselineOf(points: readonly Point[], subject: Subject): number {
  const early = points.filter(({ time }) => time < subject.activeSince);
  if (points.filter(({ time }) => time < subject.baselineUntil).length >= LEAST_BASELINE) return subject.baselineUntil;
  return early[Math.max(LEAST_BASELINE, Math.floor(early.length / 3))]?.time ?? subject.baselineUntil;
}

/** Whether enough is known of the time before to say that something moved. */
export const isKnown = (courses: readonly Course[]): boolean =>
  courses.some(({ points, baselineUntil, smallest }) => bandOf(points, baselineUntil, smallest) !== undefined);

/** Puts what was read into courses. Where nothing was counted in a step, a rate was zero. Pure. */
export function coursesOf(rows: readonly CourseRow[], looked: readonly LookedAt[], subject: Subject): Course[] {
  const groups = Map.groupBy(rows, ({ signal, labels }) => JSON.stringify([signal.id, labels]));
  const stepMs = subject.step * 1000;
  const watchedSince = rows.reduce((min, { time }) => Math.min(min, time.getTime()), Infinity);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    const known = looked.find(({ signal }) => signal.id === first!.signal.id);
    if (!known) return [];
    const points = group.map(({ time, value }) => ({ time: time.getTime(), value }));
    const course = (all: Point[]): Course => ({
      ...known,
      labels: first!.labels,
      points: all,
      baselineUntil: baselineOf(all, subject),
    });
    if (known.signal.compute.kind !== 'rate') return [course(points)];
    const values = new Map(points.map(({ time, value }) => [time, value]));
    const count = Math.max(0, Math.floor((subject.to - watchedSince) / stepMs));
    const whole = Array.from({ length: count }, (_, i) => watchedSince + i * stepMs);
    return [course(whole.map((time) => ({ time, value: values.get(time) ?? 0 })))];
  });
}

/** What left its normal, in the order in which it did. The alert's own signal is among it, marked. Pure. */
export function moversOf(courses: readonly Course[], subject: Subject): Mover[] {
  const found = courses.flatMap((course) => {
    const shift = findShift(course.points, course.baselineUntil, course.smallest);
    return shift ? [{ course, shift, isOwn: isOwn(course, subject) }] : [];
  });
  const own = found.find((one) => one.isOwn)?.shift.onset ?? subject.activeSince;
  const movers = found.map(({ course: { signal, family, labels, points }, shift, isOwn }): Mover => ({
    signal: signal.id,
    title: signal.title,
    unit: signal.unit,
    layer: signal.layer,
    family,
    labels,
    onset: new Date(shift.onset).toISOString(),
    direction: shift.direction,
    before: shift.before,
    after: shift.after,
    lead: (own - shift.onset) / 1000,
    isOwn,
    points: points.map(({ time, value }) => [time / 1000, Number(value.toPrecision(6))]),
  }));
  // Of those that moved in one step the alert's own comes first: what is not before it did not lead to it.
  const sorted = movers.toSorted((a, b) => b.lead - a.lead || Number(b.isOwn) - Number(a.isOwn));
  return sorted.filter((mover, i) => i < MOVERS || mover.isOwn);
}

function isOwn({ signal, labels }: Course, subject: Subject): boolean {
  const shared = Object.entries(labels).filter(([name]) => name in subject.labels);
  return signal.id === subject.signal && shared.every(([name, value]) => subject.labels[name] === value);
}

/** How everything stood before and while the condition held; what moved first. Pure. */
export function standingsOf(courses: readonly Course[], movers: readonly Mover[], subject: Subject): Standing[] {
  const moved = new Set(movers.map(({ signal, labels }) => JSON.stringify([signal, labels])));
  const middle = (points: readonly Point[]): number | null =>
    points.length === 0 ? null : median(points.map(({ value }) => value));
  const all = courses.map(({ signal, labels, points, baselineUntil }) => ({
    signal: signal.id,
    title: signal.title,
    unit: signal.unit,
    layer: signal.layer,
    labels,
    before: middle(points.filter(({ time }) => time < baselineUntil)),
    during: middle(points.filter(({ time }) => time >= subject.activeSince - subject.step * 1000)),
    moved: moved.has(JSON.stringify([signal.id, labels])),
  }));
  // A fleet's hundreds of GPUs are what is left out.
  const rank = ({ moved, layer }: Standing): number => Number(moved) * 2 + Number(layer !== 'infrastructure');
  return all.toSorted((a, b) => rank(b) - rank(a)).slice(0, STANDINGS);
}

/** How those that moved stand at the end, and whether they are back within a third of their way. Pure. */
export function endingOf(movers: readonly Mover[], courses: readonly Course[], at: Date): Ending {
  const signals = movers.flatMap((mover) => {
    const course = courses.find(
      ({ signal, labels }) => signal.id === mover.signal && JSON.stringify(labels) === JSON.stringify(mover.labels),
    );
    const last = course?.points.slice(-2);
    if (!course || !last?.length) return [];
    const value = last.reduce((sum, point) => sum + point.value, 0) / last.length;
    const { signal, title, unit, labels, before, after } = mover;
    return [{ signal, title, unit, labels, value, isBack: Math.abs(value - before) <= Math.abs(after - before) / 3 }];
  });
  return { at: at.toISOString(), signals };
}
