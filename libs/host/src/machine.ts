import { readCpu, readUptime } from './cpu.js';
import { monotonicSeconds, readText, rootsOf } from './files.js';
import { readMemory } from './memory.js';
import { readCongestionControl, readInterfaces } from './network.js';
import { readRdmaPorts } from './rdma.js';
import type { Machine, Roots } from './types.js';

/** One look at the machine, without its volumes. Files that are missing make their fields `null`; nothing throws. */
export function readMachine(roots: Roots = rootsOf()): Machine {
  return {
    at: monotonicSeconds(),
    uptime: readUptime(roots),
    kernel: readText(roots.proc, 'sys/kernel/osrelease'),
    cpu: readCpu(roots),
    memory: readMemory(roots),
    congestionControl: readCongestionControl(roots),
    interfaces: readInterfaces(roots),
    rdma: readRdmaPorts(roots),
  };
}
