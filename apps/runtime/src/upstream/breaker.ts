/** Failures in a row that open the circuit. */
export const FAILURES = 5;
/** Seconds. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 30;

/**
 * Whether an upstream is asked. Closed: it is. Open: it is not, until a time. Then half open: one request tries it, and
 * decides. Times in seconds of one monotonic clock.
 */
export interface Circuit {
  state: 'closed' | 'open' | 'half-open';
  /** Failures in a row. */
  failures: number;
  /** How often it was opened since the last success. */
  openings: number;
  /** Of an open circuit: when it may be tried. */
  until: number;
  /** Of a half open circuit: a request is trying it. */
  trying: boolean;
  /** It asked to be left alone until then. */
  restsUntil: number;
}

export const CLOSED: Circuit = {
  state: 'closed',
  failures: 0,
  openings: 0,
  until: 0,
  trying: false,
  restsUntil: -Infinity,
};

/** What a request may do now, and the circuit after it. */
export function admit(circuit: Circuit, now: number): { circuit: Circuit; admitted: boolean } {
  if (circuit.state === 'closed') return { circuit, admitted: true };
  if (circuit.state === 'open' && now < circuit.until) return { circuit, admitted: false };
  if (circuit.state === 'half-open' && circuit.trying) return { circuit, admitted: false };
  return { circuit: { ...circuit, state: 'half-open', trying: true }, admitted: true };
}

/** Whether `admit` would let a request pass. */
export const admits = (circuit: Circuit, now: number): boolean => admit(circuit, now).admitted;

/** It began to answer, which is enough to ask it again; one more failure, and it is not. */
export function answering(circuit: Circuit): Circuit {
  if (circuit.state !== 'half-open') return circuit;
  return { ...circuit, state: 'closed', failures: FAILURES - 1, trying: false };
}

/** It answered to the end. A request that began before the circuit was opened does not close it. */
export function succeeded(circuit: Circuit): Circuit {
  if (circuit.state === 'open') return circuit;
  if (circuit.failures === 0 && circuit.openings === 0) return circuit;
  return { ...CLOSED, restsUntil: circuit.restsUntil };
}

/** It failed. A failure of a request that began earlier changes nothing of an open circuit. */
export function failed(circuit: Circuit, now: number): Circuit {
  if (circuit.state === 'open') return circuit;
  const failures = circuit.failures + 1;
  if (circuit.state === 'closed' && failures < FAILURES) return { ...circuit, failures };
  const pause = Math.min(FIRST_PAUSE * 2 ** Math.min(circuit.openings, 20), LONGEST_PAUSE);
  return { ...circuit, state: 'open', failures, openings: circuit.openings + 1, until: now + pause, trying: false };
}

/** Nothing was learned: the client went away, or the upstream was merely busy. */
export function undecided(circuit: Circuit): Circuit {
  return circuit.state === 'half-open' ? { ...circuit, trying: false } : circuit;
}

/** It asked not to be asked for so many seconds. */
export function resting(circuit: Circuit, seconds: number, now: number): Circuit {
  return { ...undecided(circuit), restsUntil: Math.max(circuit.restsUntil, now + seconds) };
}
