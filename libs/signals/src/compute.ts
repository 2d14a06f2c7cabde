import type { Signal } from './types.js';

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
