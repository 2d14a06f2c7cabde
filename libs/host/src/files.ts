import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Roots } from './types.js';

/**
 * The folders of the kernel's files. In a container that has its host's `/proc` and `/sys` mounted elsewhere,
 * `HOST_PROC` and `HOST_SYS` name them.
 */
export function rootsOf(env: Readonly<Record<string, string | undefined>> = process.env): Roots {
  const { HOST_PROC: proc, HOST_SYS: sys } = env;
  return { proc: proc || '/proc', sys: sys || '/sys', ofHost: Boolean(proc) };
}

/** A file of the kernel without white space around it; `null` where it is not there or can't be read. */
export function readText(...path: string[]): string | null {
  try {
    return readFileSync(join(...path), 'utf8').trim();
  } catch {
    // Some files exist and answer EINVAL or EOPNOTSUPP: the driver does not tell.
    return null;
  }
}

/** A file that holds one whole number of at most 64 bits, which is not negative; `null` for anything else. */
export function readCount(...path: string[]): number | null {
  return parseCount(readText(...path));
}

export function parseCount(text: string | null | undefined): number | null {
  return text != null && /^\d{1,20}$/.test(text) ? Number(text) : null;
}

/** The names in a folder, in order; none where it is not there. */
export function listFolder(...path: string[]): string[] {
  try {
    return readdirSync(join(...path)).toSorted(byNumber);
  } catch {
    return [];
  }
}

/** `eth2` before `eth10`, in every locale. */
function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Seconds of the clock that never jumps; the same for all processes of a machine. */
export function monotonicSeconds(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}
