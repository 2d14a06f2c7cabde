import { readText, rootsOf } from './files.js';
import type { Roots } from './types.js';

/** What a process may have of something; `Infinity` where there is no limit. */
export interface Limit {
  /** What holds now; the process may raise it up to the hard one. */
  soft: number;
  hard: number;
}

/** Limits of a process, as it would hand them on to what it starts. */
export interface Limits {
  /** Files and sockets. */
  openFiles: Limit | null;
  /** Bytes that may be pinned, which RDMA and pinned GPU transfers need. */
  lockedMemory: Limit | null;
}

/** Reads `/proc/self/limits`. */
export function parseLimits(text: string): Limits {
  return { openFiles: limitOf(text, 'Max open files'), lockedMemory: limitOf(text, 'Max locked memory') };
}

function limitOf(text: string, name: string): Limit | null {
  const match = new RegExp(`^${name} +(\\d+|unlimited) +(\\d+|unlimited)\\b`, 'm').exec(text);
  return match ? { soft: figure(match[1]!), hard: figure(match[2]!) } : null;
}

const figure = (text: string): number => (text === 'unlimited' ? Infinity : Number(text));

/** The limits of this very process. */
export function readLimits(roots: Roots = rootsOf()): Limits {
  return parseLimits(readText(roots.proc, 'self/limits') ?? '');
}
