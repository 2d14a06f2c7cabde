export { readCpu, readUptime } from './cpu.js';
export { rootsOf } from './files.js';
export {
  HostProbe,
  type HostFailed,
  type HostFailureKind,
  type HostProbeOptions,
  type HostReading,
  type HostUp,
} from './host-probe.js';
export { parseLimits, readLimits, type Limit, type Limits } from './limits.js';
export { readMachine } from './machine.js';
export { readMemory } from './memory.js';
export { interfaceNames, readCongestionControl, readInterfaces } from './network.js';
export { cpuRatio, rateOf, sumOfRates, type Count } from './rates.js';
export { readRdmaPorts } from './rdma.js';
export type * from './types.js';
export { volumeOf } from './volume.js';
