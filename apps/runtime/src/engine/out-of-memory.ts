import { readFileSync } from 'node:fs';

/** How many processes the system has killed for want of memory; undefined where it does not tell. */
export function outOfMemoryKills(): number | undefined {
  try {
    const found = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'));
    return found ? Number(found[1]) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a process most likely died for want of memory: it said so, or the system killed one just then.
 * @param killsBefore the system's count of a second or two ago
 */
export function ranOutOfMemory(
  signal: string | null,
  output: string,
  killsBefore: number | undefined,
  killsAfter: number | undefined,
): boolean {
  if (/out of memory|failed to allocate|cudaMalloc failed|bad_alloc|cannot allocate memory/i.test(output)) return true;
  return signal === 'SIGKILL' && (killsAfter ?? 0) > (killsBefore ?? 0);
}
