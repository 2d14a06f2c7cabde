import type { Aggregate, Signal } from './types.js';

type Computed = Pick<Signal, 'compute'>;

/** Whether a rule on it must name a window (`over`), may, or must not. */
export function takesWindow({ compute }: Computed): 'always' | 'optional' | 'never' {
  if (compute.kind === 'gauge') return 'optional';
  return compute.kind === 'age' || compute.kind === 'missing' ? 'never' : 'always';
}

/** Whether the signal's PromQL reads a window; where not, it reads the latest sample. */
export function readsWindow({ compute }: Computed): boolean {
  if (compute.kind === 'gauge') return 'counted' in compute && compute.counted === true;
  return compute.kind !== 'age' && compute.kind !== 'missing';
}

/** Whether a great value says that data are missing, and not what the data say. */
export const measuresAbsence = ({ compute }: Computed): boolean => compute.kind === 'age';

/** What a rule may make of the signal's readings in a window; nothing where the signal is one figure by nature. */
export function aggregatesOf({ compute }: Computed): readonly Aggregate[] {
  if (compute.kind === 'gauge' && !('counted' in compute)) return ['mean', 'min', 'max'];
  if (compute.kind === 'quotient' && compute.of !== undefined) return ['mean', 'max', 'p50', 'p90', 'p95', 'p99'];
  return [];
}

/** The share of readings that lie below: 0.95 of `p95`. `undefined` for what is no percentile. */
export function quantileOf(aggregate: Aggregate): number | undefined {
  return /^p\d+$/.test(aggregate) ? Number(aggregate.slice(1)) / 100 : undefined;
}

/** Whether its values say on how many requests they rest. */
export const restsOnRequests = ({ compute }: Computed): boolean =>
  compute.kind === 'quotient' || compute.kind === 'rate';
