import { cgroupLimit } from './cgroup.js';
import { readText, rootsOf } from './files.js';
import type { Cpu, Roots } from './types.js';

/** Ticks a second in `/proc/stat` (USER_HZ), 100 on every Linux that a GPU is put into. */
const TICKS = 100;

/**
 * Reads `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`, in ticks. The time of
 * guests is in `user` and `nice` already, so the last two don't count.
 */
export function parseCpuTimes(stat: string): Pick<Cpu, 'count' | 'busySeconds' | 'idleSeconds'> | null {
  const line = /^cpu +(\d{1,20}(?: +\d{1,20})*)(?!\d)/m.exec(stat)?.[1];
  const ticks = line?.split(/ +/, 8).map(Number) ?? [];
  if (ticks.length < 4) return null;
  const idle = ticks[3]! + (ticks[4] ?? 0);
  const total = ticks.reduce((sum, n) => sum + n, 0);
  const count = stat.match(/^cpu\d+ /gm)?.length ?? 0;
  if (count === 0) return null;
  return { count, busySeconds: (total - idle) / TICKS, idleSeconds: idle / TICKS };
}

/** The first figure of `/proc/loadavg` or `/proc/uptime`. */
export function parseFirst(text: string | null): number | null {
  const match = text === null ? null : /^\d{1,20}(\.\d+)?(?!\d)/.exec(text);
  return match ? Number(match[0]) : null;
}

export function readCpu(roots: Roots = rootsOf()): Cpu | null {
  const times = parseCpuTimes(readText(roots.proc, 'stat') ?? '');
  if (!times) return null;
  return { ...times, limit: cgroupLimit(roots).cpus, load1: parseFirst(readText(roots.proc, 'loadavg')) };
}

/** Seconds since the start of the machine. */
export function readUptime(roots: Roots = rootsOf()): number | null {
  return parseFirst(readText(roots.proc, 'uptime'));
}
