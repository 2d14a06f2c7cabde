import { combine } from './combine.js';
import { Course, isPercentile, type StepPoint } from './course.js';
import { decideLevels, levelsOf } from './levels.js';
import { summaryOf } from './summary.js';
import type { Unit } from '@vigil/signals';
import type { Alert, AlertState, Query, Rule } from './types.js';

/** A range that makes no sense, or that is too long. The message is a sentence. */
export class PreviewError extends Error {
  override readonly name = 'PreviewError';
}

/** One read of steps. */
export interface StepRange {
  from: Date;
  to: Date;
  /** Seconds. */
  step: number;
  /** How far each step looks back, in seconds, where the store has to look over the window itself. */
  over?: number;
  /** At most so many points; where there are as many, there may be more. */
  limit: number;
}

/** Reads a signal in steps, oldest first; labels and aggregate are the query's. Undefined where that took too long. */
export type ReadSteps = (query: Query, range: StepRange) => Promise<StepPoint[] | undefined>;

export interface PreviewOptions {
  from: Date;
  to: Date;
  /** Seconds between two looks; a minute unless given. */
  step?: number;
  /** How long it may take; ten seconds unless given. What was not reached by then is left out, and said. */
  budgetSeconds?: number;
  /** In milliseconds, for the budget. */
  clock?: () => number;
}

/** One change of state, as it would have been. */
export interface PreviewedTransition {
  at: Date;
  from: AlertState;
  to: AlertState;
  value: number | null;
  told: boolean;
  summary: string;
}

export interface PreviewedAlert {
  labels: Record<string, string>;
  firings: number;
  firingSeconds: number;
  min: number | null;
  max: number | null;
  /** The first hundred. */
  transitions: PreviewedTransition[];
}

export interface Preview {
  rule: string;
  unit: Unit;
  from: Date;
  /** How far it was looked. */
  to: Date;
  step: number;
  /** A sentence, where that is not the whole range. */
  cutShort: string | null;
  firings: number;
  /** What fired most often first; the first hundred. */
  alerts: PreviewedAlert[];
}

const MOST_LISTED = 100;
const LONGEST_SECONDS = 32 * 86_400;
/** Shorter steps than a minute are read from rows. */
const LONGEST_OF_ROWS = 6 * 3600;
/** Points of one read; the next read is as long as fits. */
const LIMIT = 100_000;
const FIRST_READ_SECONDS = 3600;
const LONGEST_READ_SECONDS = 86_400;
/** Windows that a value is counted in, where the store looks over them itself. */
const OVERLAP = 5;
/** After so many milliseconds of work others have their turn. */
const TURN_MS = 20;

const TOO_MUCH = 'There is too much in a single step: narrow it down with "where", or name fewer labels in "by".';
const tooLong = (seconds: number): string =>
  `${seconds} s were not enough for the whole range: give a shorter one, or a longer step.`;

/**
 * When a rule would have fired: the same decisions as the evaluator's, in steps over what is stored. A step is a minute unless
 * given, so windows are whole minutes, and the latest reading of a gauge is a minute's mean.
 * @throws PreviewError where the range makes no sense
 */
export async function previewRule(rule: Rule, readSteps: ReadSteps, options: PreviewOptions): Promise<Preview> {
  const { step = 60, budgetSeconds = 10, clock = () => performance.now() } = options;
  const { from, to } = checkRange(options.from, options.to, step);
  const unit = unitOf(rule, step);
  const parts = partsOf(rule, step, unit);
  const play = new Play(rule, step);
  const end = clock() + budgetSeconds * 1000;
  let at = from;
  /** How far was read, in whole units, and how far the next read goes. */
  let read = floorTo(from, unit);
  let units = Math.max(1, Math.floor(FIRST_READ_SECONDS / unit));
  let lead = true;
  let cutShort: string | null = null;
  while (at < to && cutShort === null) {
    const until = Math.min(floorTo(to + unit * 1000 - 1, unit), read + units * unit * 1000);
    // One after the other: a preview takes one connection from those who wait for an answer, not all of them.
    const answers: (StepPoint[] | undefined)[] = [];
    for (const part of parts) answers.push(await part.read(readSteps, read, until, lead));
    const most = Math.max(...answers.map((points) => points?.length ?? LIMIT));
    if (most >= LIMIT) {
      if (units === 1) cutShort = TOO_MUCH;
      else if (clock() > end) cutShort = tooLong(budgetSeconds);
      units = Math.max(1, Math.floor(units / 4));
      continue;
    }
    parts.forEach((part, i) => part.course.feed(answers[i]!));
    lead = false;
    read = until;
    if (most < LIMIT / 8) units = Math.max(1, Math.min(Math.floor(LONGEST_READ_SECONDS / unit), units * 2));
    for (let turn = clock(); at < Math.min(until, to);) {
      at += step * 1000;
      play.beat(new Date(at), parts);
      if (clock() - turn < TURN_MS) continue;
      await new Promise((resume) => setImmediate(resume));
      turn = clock();
      if (turn > end) break;
    }
    if (at < to && clock() > end) cutShort = tooLong(budgetSeconds);
  }
  const { name, unit: valueUnit } = rule;
  return { rule: name, unit: valueUnit, from: new Date(from), to: new Date(at), step, cutShort, ...play.result() };
}

const floorTo = (time: number, seconds: number): number => Math.floor(time / seconds / 1000) * seconds * 1000;

/**
 * Seconds between two looks at percentiles, in whole steps, and between two reads: each value is counted in a handful of
 * windows that overlap, however long they are.
 */
function unitOf(rule: Rule, step: number): number {
  const windows = [rule, ...rule.also].flatMap(({ aggregate, over }) => (isPercentile(aggregate) ? [over!] : []));
  return windows.length === 0 ? step : Math.ceil(Math.max(...windows) / OVERLAP / step) * step;
}

function checkRange(from: Date, to: Date, step: number): { from: number; to: number } {
  if (!Number.isInteger(step) || step < 1 || step > 3600 || (step > 60 && step % 60 !== 0))
    throw new PreviewError('"step" must be whole seconds, and whole minutes from one minute on; an hour at the most.');
  const stepMs = step * 1000;
  const begin = Math.floor(from.getTime() / stepMs) * stepMs;
  const end = Math.floor(to.getTime() / stepMs) * stepMs;
  if (end <= begin) throw new PreviewError('"from" must lie before "to", by a step at least.');
  const seconds = (end - begin) / 1000;
  if (seconds > LONGEST_SECONDS)
    throw new PreviewError('A preview goes over 32 days at the most: give a later "from".');
  if (step < 60 && seconds > LONGEST_OF_ROWS)
    throw new PreviewError('With a step of less than a minute, a preview goes over six hours at the most.');
  return { from: begin, to: end };
}

/** One of the things that a rule reads: its signal, the same at an earlier time, another signal. */
class Part {
  readonly course: Course;

  constructor(
    private readonly query: Query,
    private readonly step: number,
    /** How much earlier it is read, in milliseconds. */
    readonly earlier: number,
  ) {
    this.course = new Course(query, step);
  }

  read(read: ReadSteps, from: number, to: number, lead: boolean): Promise<StepPoint[] | undefined> {
    const { query, step, earlier, course } = this;
    const before = lead ? Math.ceil(course.leadSeconds / step) * step * 1000 : 0;
    return read(query, {
      from: new Date(from - earlier - before),
      to: new Date(to - earlier),
      step,
      ...(isPercentile(query.aggregate) && { over: Math.ceil(query.over! / step) * step }),
      limit: LIMIT,
    });
  }
}

function partsOf(rule: Rule, step: number, unit: number): Part[] {
  const part = (query: Query, earlier = 0): Part => {
    const own = isPercentile(query.aggregate) ? unit : step;
    return new Part(query, own, Math.round(earlier / own) * own * 1000);
  };
  return [
    part(rule),
    ...(rule.comparedWith === null ? [] : [part(rule, rule.comparedWith)]),
    ...rule.also.map((also) => part(also)),
  ];
}

/** The state machine, beat by beat, and what it did. */
class Play {
  private alerts: Alert[] = [];
  private readonly seen = new Map<string, PreviewedAlert>();
  private readonly rules;

  constructor(
    private readonly rule: Rule,
    private readonly step: number,
  ) {
    this.rules = levelsOf(rule);
  }

  beat(now: Date, parts: readonly Part[]): void {
    const { rule, step } = this;
    const readings = combine(
      rule,
      parts.map(({ course, earlier }) => course.at(now.getTime() - earlier)),
    );
    const options = { maxGapSeconds: Math.max(60, 4 * step), absenceCounts: true };
    const decisions = decideLevels(rule, this.alerts, readings, now, options);
    this.alerts = decisions.flatMap(({ alerts }) => alerts);
    for (const alert of this.alerts) this.note(alert);
    for (const [i, { transitions }] of decisions.entries())
      for (const { from, to, at, alert, notify } of transitions) {
        const { transitions: listed } = this.seen.get(alert.fingerprint)!;
        if (notify && to === 'firing') this.seen.get(alert.fingerprint)!.firings++;
        const summary = summaryOf(this.rules[i]!, alert);
        if (listed.length < MOST_LISTED) listed.push({ at, from, to, value: alert.value, told: notify, summary });
      }
  }

  private note({ fingerprint, labels, state, value }: Alert): void {
    let seen = this.seen.get(fingerprint);
    if (!seen)
      this.seen.set(
        fingerprint,
        (seen = { labels, firings: 0, firingSeconds: 0, min: null, max: null, transitions: [] }),
      );
    if (state === 'firing') seen.firingSeconds += this.step;
    if (value === null) return;
    seen.min = Math.min(seen.min ?? value, value);
    seen.max = Math.max(seen.max ?? value, value);
  }

  result(): Pick<Preview, 'firings' | 'alerts'> {
    const all = [...this.seen.values()];
    const alerts = all.toSorted((a, b) => b.firings - a.firings || b.firingSeconds - a.firingSeconds);
    return { firings: all.reduce((n, { firings }) => n + firings, 0), alerts: alerts.slice(0, MOST_LISTED) };
  }
}
