import type { Aggregate, Computation, Label, Matchers, Signal } from '@vigil/signals';

/** A value of a signal for one set of labels. */
export interface SignalValue {
  labels: Record<string, string>;
  /** In the signal's unit. */
  value: number;
  /** How many requests, samples or events it rests on. */
  samples: number;
}

export interface SeriesPoint extends SignalValue {
  /** Start of the step. */
  time: Date;
}

export interface Window {
  from: Date;
  to: Date;
  by: readonly Label[];
  matchers?: Matchers;
  /** One of the signal's `aggregatesOf`; the mean unless given. */
  aggregate?: Aggregate;
}

/** A window in steps. */
export interface StepWindow extends Window {
  /** Seconds. */
  step: number;
  /** Seconds, a multiple of the step: of an aggregate that is no mean, how far each point looks back; the step unless given. */
  over?: number;
  /** At most so many points. */
  limit?: number;
}

/** A signal of one kind of computation. */
export type SignalOf<K extends Computation['kind']> = Signal & { compute: Extract<Computation, { kind: K }> };

/** A reading older than this counts as gone, in seconds. */
export const LOOKBACK_SECONDS = 120;

/** What has been silent for longer is forgotten, in seconds. */
export const MEMORY_SECONDS = 86_400;

export const MINUTE_MS = 60_000;

export const secondsBefore = (time: Date, seconds: number): Date => new Date(time.getTime() - seconds * 1000);

/** The begin of a step, or of a minute, that a time falls into. */
export const floorTime = (time: Date, stepMs = MINUTE_MS): Date =>
  new Date(Math.floor(time.getTime() / stepMs) * stepMs);

export const ceilTime = (time: Date, stepMs = MINUTE_MS): Date => new Date(Math.ceil(time.getTime() / stepMs) * stepMs);
