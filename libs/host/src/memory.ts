import { cgroupLimit, type CgroupLimit } from './cgroup.js';
import { readText, rootsOf } from './files.js';
import type { Memory, Roots } from './types.js';

/** `/proc/meminfo` in bytes by name; lines without a unit (counts of pages) are left out. */
export function parseMeminfo(text: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [, name, kib] of text.matchAll(/^([^:\n]+): +(\d{1,20}) kB$/gm)) sizes.set(name!, Number(kib) * 1024);
  return sizes;
}

/** Memory as a program sees it: the machine's, or less where a container's limit leaves less. */
export function memoryOf(sizes: ReadonlyMap<string, number>, limit: CgroupLimit['memory']): Memory | null {
  const machineTotal = sizes.get('MemTotal');
  const machineAvailable = sizes.get('MemAvailable') ?? sumOf(sizes, 'MemFree', 'Buffers', 'Cached');
  if (!machineTotal || machineAvailable === undefined) return null;
  const swapTotal = sizes.get('SwapTotal') ?? null;
  const swapFree = sizes.get('SwapFree');
  const limited = limit !== null && limit.limit < machineTotal ? limit : null;
  return {
    total: limited?.limit ?? machineTotal,
    available: limited ? Math.min(Math.max(limited.limit - limited.held, 0), machineAvailable) : machineAvailable,
    machineTotal,
    machineAvailable,
    limit: limited?.limit ?? null,
    swapTotal,
    swapUsed: swapTotal !== null && swapFree !== undefined ? Math.max(swapTotal - swapFree, 0) : null,
  };
}

function sumOf(sizes: ReadonlyMap<string, number>, ...names: string[]): number | undefined {
  const parts = names.map((name) => sizes.get(name));
  return parts.every((n) => n !== undefined) ? parts.reduce((sum, n) => sum + n, 0) : undefined;
}

export function readMemory(roots: Roots = rootsOf()): Memory | null {
  return memoryOf(parseMeminfo(readText(roots.proc, 'meminfo') ?? ''), cgroupLimit(roots).memory);
}
