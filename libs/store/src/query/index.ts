import type { Aggregate, Label, Matchers, Signal } from '@vigil/signals';
import type { DataSource } from 'typeorm';
import { ageAt, ageByStep } from './age.js';
import { countByStep, countOver } from './count.js';
import { growthByStep, growthOver } from './counter.js';
import { distributionByStep, distributionOver } from './distribution.js';
import { missingAt, missingByStep } from './missing.js';
import { latestReading, manyLatestReadings, manySumsOver, sumsByStep, sumsOver, type Summed } from './sums.js';
import type { SeriesPoint, SignalOf, SignalValue, StepWindow, Window } from './types.js';

export {
  LOOKBACK_SECONDS,
  MEMORY_SECONDS,
  type SeriesPoint,
  type SignalValue,
  type StepWindow,
  type Window,
} from './types.js';

/**
 * A signal over `[from, to)`, by label. Label sets without data are absent. Whole minutes are read from the roll-up and
 * only the window's edges from rows, so the cost does not grow with traffic. Ages and what is missing have no window:
 * they are read at its end.
 */
export function readWindow(store: DataSource, signal: Signal, window: Window): Promise<SignalValue[]> {
  switch (signal.compute.kind) {
    case 'age':
      return ageAt(store, signal as SignalOf<'age'>, window.to, window);
    case 'missing':
      return missingAt(store, signal as SignalOf<'missing'>, window.to, window);
    case 'count':
      return countOver(store, signal as SignalOf<'count'>, window);
    case 'counter':
      return growthOver(store, signal as SignalOf<'counter'>, window);
    default:
      return isDistributed(window)
        ? distributionOver(store, signal as SignalOf<'quotient' | 'gauge'>, window)
        : sumsOver(store, signal as Summed, window);
  }
}

/**
 * What a signal that needs no window says now: of a gauge the latest reading of the last two minutes, several under one
 * label averaged; an age; what is missing.
 */
export function readLatest(
  store: DataSource,
  signal: Signal,
  now: Date,
  by: readonly Label[],
  matchers?: Matchers,
): Promise<SignalValue[]> {
  const window = { by, ...(matchers && { matchers }) };
  switch (signal.compute.kind) {
    case 'age':
      return ageAt(store, signal as SignalOf<'age'>, now, window);
    case 'missing':
      return missingAt(store, signal as SignalOf<'missing'>, now, window);
    case 'gauge':
      return latestReading(store, signal as SignalOf<'gauge'>, now, window);
    default:
      throw new TypeError(`${signal.id} has no latest reading: it is counted over a window`);
  }
}

/**
 * A signal in steps of `step` seconds over `[from, to)`, oldest first. Steps of whole minutes are read from roll-ups
 * (`from` is moved back to a step's start), shorter ones from rows. What is no mean can be asked for over windows that
 * overlap (`over`); of those each point is the window that ends with its step.
 */
export function readSeries(store: DataSource, signal: Signal, window: StepWindow): Promise<SeriesPoint[]> {
  switch (signal.compute.kind) {
    case 'age':
      return ageByStep(store, signal as SignalOf<'age'>, window);
    case 'missing':
      return missingByStep(store, signal as SignalOf<'missing'>, window);
    case 'count':
      return countByStep(store, signal as SignalOf<'count'>, window);
    case 'counter':
      return growthByStep(store, signal as SignalOf<'counter'>, window);
    default:
      return isDistributed(window)
        ? distributionByStep(store, signal as SignalOf<'quotient' | 'gauge'>, window)
        : sumsByStep(store, signal as Summed, window);
  }
}

/** Whether several such signals of one fact can be read in one query: they are sums of the same rows. */
export const isSummed = ({ compute }: Signal): boolean => ['quotient', 'rate', 'gauge'].includes(compute.kind);

/**
 * `readWindow`, or without `from` `readLatest`, of several signals that `isSummed` allows and that are of one fact, in one
 * query.
 * @returns the values by the signals' ids
 */
export function readTogether(
  store: DataSource,
  signals: readonly Signal[],
  window: Omit<Window, 'from'> & { from: Date | null },
): Promise<Map<string, SignalValue[]>> {
  const { from, to, ...rest } = window;
  if (from !== null) return manySumsOver(store, signals as Summed[], { ...rest, from, to });
  return manyLatestReadings(store, signals as SignalOf<'gauge'>[], to, rest);
}

/** The mean comes from roll-ups; every other aggregate from the values themselves. */
const isDistributed = <W extends Window>(window: W): window is W & { aggregate: Aggregate } =>
  window.aggregate !== undefined && window.aggregate !== 'mean';
