/** Failures in a row that open the circuit. */
export const FAILURES = 5;
/** Seconds. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 30;
/** A request that tries it and says nothing for so long does not keep others from trying. */
const TRIAL = 5;

/**
 * Whether an upstream is asked. Closed: it is. Open: it is not, until a time. Then half open: one request tries it, and
 * decides. What began before the circuit was last opened decides nothing. Times in seconds of one monotonic clock.
 */
export interface Circuit {
  state: 'closed' | 'open' | 'half-open';
  /** Failures in a row. */
  failures: number;
  /** How often it was opened since the last success. */
  openings: number;
  /** Of an open circuit: when it may be tried. */
  until: number;
  /** Of a half open circuit: a request has been trying it since then. */
  tryingSince: number | undefined;
  /** How often it was opened at all: what a request is told when it is admitted, and tells with its outcome. */
  epoch: number;
  /** It asked to be left alone until then. */
  restsUntil: number;
}

export const CLOSED: Circuit = {
  state: 'closed',
  failures: 0,
  openings: 0,
  until: 0,
  tryingSince: undefined,
  epoch: 0,
  restsUntil: -Infinity,
};

/** What a request may do now, and the circuit after it. */
export function admit(circuit: Circuit, now: number): { circuit: Circuit; admitted: boolean } {
  const { state, until, tryingSince } = circuit;
  if (state === 'closed') return { circuit, admitted: true };
  if (state === 'open' && now < until) return { circuit, admitted: false };
  if (state === 'half-open' && tryingSince !== undefined && now < tryingSince + TRIAL)
    return { circuit, admitted: false };
  return { circuit: { ...circuit, state: 'half-open', tryingSince: now }, admitted: true };
}

/** Whether `admit` would let a request pass. */
export const admits = (circuit: Circuit, now: number): boolean => admit(circuit, now).admitted;

/** Seconds until `admits` may say yes. */
export function waitOf({ state, until, tryingSince }: Circuit, now: number): number {
  if (state === 'closed') return 0;
  return Math.max((state === 'open' ? until : (tryingSince ?? now - TRIAL) + TRIAL) - now, 0);
}

/** It began to answer, which is enough to ask it again; one more failure, and it is not. */
export function answering(circuit: Circuit, epoch: number): Circuit {
  if (circuit.state !== 'half-open' || epoch < circuit.epoch) return circuit;
  return { ...circuit, state: 'closed', failures: FAILURES - 1, tryingSince: undefined };
}

/** It answered to the end. */
export function succeeded(circuit: Circuit, epoch: number): Circuit {
  if (circuit.state === 'open' || epoch < circuit.epoch) return circuit;
  if (circuit.failures === 0 && circuit.openings === 0) return circuit;
  return { ...CLOSED, epoch: circuit.epoch, restsUntil: circuit.restsUntil };
}

/** It failed. */
export function failed(circuit: Circuit, epoch: number, now: number): Circuit {
  if (circuit.state === 'open' || epoch < circuit.epoch) return circuit;
  const failures = circuit.failures + 1;
  if (circuit.state === 'closed' && failures < FAILURES) return { ...circuit, failures };
  const pause = Math.min(FIRST_PAUSE * 2 ** Math.min(circuit.openings, 20), LONGEST_PAUSE);
  return {
    ...circuit,
    state: 'open',
    failures,
    openings: circuit.openings + 1,
    until: now + pause,
    tryingSince: undefined,
    epoch: circuit.epoch + 1,
  };
}

/** Nothing was learned: the client went away, or the upstream was merely busy. */
export function undecided(circuit: Circuit, epoch: number): Circuit {
  return circuit.state === 'half-open' && epoch === circuit.epoch ? { ...circuit, tryingSince: undefined } : circuit;
}

/** It asked not to be asked for so many seconds. */
export function resting(circuit: Circuit, seconds: number, now: number): Circuit {
  return { ...circuit, restsUntil: Math.max(circuit.restsUntil, now + seconds) };
}
