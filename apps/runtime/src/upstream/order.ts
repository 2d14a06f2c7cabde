import { admits, waitOf, type Circuit } from './breaker.js';

export interface Candidate {
  name: string;
  tier: number;
  weight: number;
  circuit: Circuit;
}

/**
 * In which order upstreams are tried: lower tiers first, within a tier by chance, each in proportion to its weight.
 * One that asked to be left alone comes after all that did not; one whose circuit is open does not come at all.
 * @param random gives numbers from 0 to 1, 1 excluded
 */
export function order<C extends Candidate>(candidates: readonly C[], now: number, random: () => number): C[] {
  return candidates
    .filter(({ circuit }) => admits(circuit, now))
    .map((candidate) => ({
      candidate,
      rests: candidate.circuit.restsUntil > now,
      // The least of exponential variables with these rates: the first is one with probability weight / sum.
      draw: -Math.log(1 - random()) / candidate.weight,
    }))
    .toSorted((a, b) => Number(a.rests) - Number(b.rests) || a.candidate.tier - b.candidate.tier || a.draw - b.draw)
    .map(({ candidate }) => candidate);
}

/** Seconds until one of them may be asked again; 1 to 60. */
export function nextChance(candidates: readonly Candidate[], now: number): number {
  const waits = candidates.map(({ circuit }) => waitOf(circuit, now));
  return Math.min(60, Math.max(1, Math.ceil(Math.min(...waits))));
}
