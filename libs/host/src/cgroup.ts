import { parseCount, readCount, readText } from './files.js';
import { parseMounts } from './mounts.js';
import type { Roots } from './types.js';

/** What a container may use; `null` where there is no limit. */
export interface CgroupLimit {
  /** CPUs' worth of time. */
  cpus: number | null;
  memory: {
    /** Bytes. */
    limit: number;
    /** Bytes that can't be had back without swapping: what is held less the pages of files that lie idle. */
    held: number;
  } | null;
}

const NONE: CgroupLimit = { cpus: null, memory: null };

/**
 * Reads the limits (cgroup v2) that stand at the root of what this process sees of the hierarchy. In a container that
 * is the container's own group; on a machine it is the true root, which has no limits, so that the limit of one service
 * never passes for the machine's.
 */
export function cgroupLimit(roots: Roots): CgroupLimit {
  if (roots.ofHost) return NONE;
  const mounts = parseMounts(readText(roots.proc, 'self/mountinfo') ?? '');
  const mount = mounts.find((m) => m.fileSystem === 'cgroup2')?.mountPoint;
  if (mount === undefined) return NONE;
  // So that a tree of files put elsewhere is read from there.
  const folder = mount.startsWith('/sys/') ? roots.sys + mount.slice('/sys'.length) : mount;
  return { cpus: parseCpuMax(readText(folder, 'cpu.max')), memory: readMemoryLimit(folder) };
}

/** `cpu.max` is `max 100000` or `150000 100000`: microseconds of each period. */
export function parseCpuMax(text: string | null): number | null {
  const [quota, period] = text?.split(' ').map(parseCount) ?? [];
  return quota != null && period ? quota / period : null;
}

function readMemoryLimit(folder: string): CgroupLimit['memory'] {
  // `max` where there is no limit.
  const limit = readCount(folder, 'memory.max');
  const current = readCount(folder, 'memory.current');
  if (limit === null || current === null) return null;
  const idle = Number(/^inactive_file (\d{1,20})$/m.exec(readText(folder, 'memory.stat') ?? '')?.[1] ?? 0);
  return { limit, held: Math.max(current - idle, 0) };
}
