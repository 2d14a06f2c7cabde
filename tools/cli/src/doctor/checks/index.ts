import type { Check } from '../types.js';
import { diskRead } from './disk.js';
import { gpuDriver, gpuLibraries } from './driver.js';
import { gpuEcc, gpuMemory, gpuPersistence, gpuPresent } from './gpu.js';
import { memoryBandwidth } from './memory-bandwidth.js';
import { networkCongestion, networkMtu, networkNccl, networkRdma } from './network.js';
import { networkPeer } from './peer.js';
import { containerToolkit, openFiles } from './system.js';

/** All checks, in the order of the table. */
export const CHECKS: readonly Check[] = [
  gpuPresent,
  gpuMemory,
  gpuDriver,
  gpuLibraries,
  gpuPersistence,
  gpuEcc,
  memoryBandwidth,
  diskRead,
  networkMtu,
  networkCongestion,
  networkRdma,
  networkNccl,
  networkPeer,
  containerToolkit,
  openFiles,
];
