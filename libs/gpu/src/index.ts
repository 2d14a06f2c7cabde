import type { Logger } from '@vigil/service';
import { AttributedSource } from './attributed.js';
import type { AttributionOptions } from './attribution.js';
import { AutoSource } from './auto.js';
import type { GpuConfig } from './config.js';
import { DcgmSource } from './dcgm.js';
import { NvidiaSmiSource } from './nvidia-smi.js';
import { NvmlSource } from './nvml.js';
import { readReplayScript } from './replay-script.js';
import { ReplaySource } from './replay.js';
import type { GpuSource } from './types.js';

export { AttributedSource } from './attributed.js';
export { ProcessAttribution, type AttributionOptions } from './attribution.js';
export { gpuConfig, type GpuConfig } from './config.js';
export { DcgmSource, type DcgmOptions } from './dcgm.js';
export { parseExposition, type ExpositionResult, type Series } from './exposition.js';
export { kernelGpu, kernelXid, type KernelGpu, type KernelXid } from './kmsg-line.js';
export { readPciGpus } from './kmsg-pci.js';
export { KernelLog, type KernelLogOptions } from './kmsg.js';
export { readDeviceFacts, type DeviceFacts, type FactsReading } from './device-facts.js';
export { readSmiXml, type SmiContext, type SmiResult } from './nvidia-smi-xml.js';
export { NvidiaSmiSource } from './nvidia-smi.js';
export { NvmlSource, type NvmlOptions } from './nvml.js';
export { comparePresence, NOTHING_KNOWN, type KnownGpu, type Presence } from './presence.js';
export { ReplaySource } from './replay.js';
export { FAILURE_KINDS, RECOVERY_ACTIONS, THROTTLE_REASONS, UNTOLD } from './types.js';
export type * from './types.js';
export { XidOnce } from './xid-once.js';
export { CRITICAL_XIDS, describeXid, xidEvent, type XidMeaning } from './xid.js';

/** Reads nothing: a collector on a machine whose GPUs are not to be watched. */
class NoSource implements GpuSource {
  readonly name = 'none';
  async read() {
    return { state: 'none', source: this.name, reason: 'GPU_SOURCE is none' } as const;
  }
  async close(): Promise<void> {
    // Nothing was opened.
  }
}

/**
 * The source that the configuration names, and a log line that says which and why; `auto` says it once it has tried.
 * Nothing runs until it is read.
 * @param attribution where the host's processes are looked up, to tell what holds memory of a GPU
 * @throws UserError where `REPLAY_SCRIPT` cannot be read or is wrong
 */
export async function createGpuSource(
  config: GpuConfig,
  log: Logger,
  attribution?: AttributionOptions,
): Promise<GpuSource> {
  const { GPU_SOURCE: wanted, REPLAY_SCRIPT: script } = config;
  if (script !== undefined && wanted !== 'replay')
    log.warn({ wanted }, 'REPLAY_SCRIPT is set and not used: it takes GPU_SOURCE=replay');
  const source = await open(config, log);
  const why = `GPU_SOURCE is ${wanted}`;
  if (wanted !== 'auto') log.info({ source: source.name, why }, `GPUs are read by ${source.name}`);
  return new AttributedSource(source, log, attribution);
}

async function open(config: GpuConfig, log: Logger): Promise<GpuSource> {
  const timeoutSeconds = config.GPU_TIMEOUT;
  const nvml = () =>
    new NvmlSource({ timeoutSeconds, ...(config.NVML_LIBRARY !== undefined && { library: config.NVML_LIBRARY }) });
  const nvidiaSmi = () => new NvidiaSmiSource({ timeoutSeconds });
  switch (config.GPU_SOURCE) {
    case 'none':
      return new NoSource();
    case 'replay':
      return ReplaySource.open({
        ...(config.REPLAY_SCRIPT !== undefined && { script: await readReplayScript(config.REPLAY_SCRIPT) }),
      });
    case 'nvml':
      return nvml();
    case 'nvidia-smi':
      return nvidiaSmi();
    case 'dcgm':
      return new DcgmSource({ url: config.DCGM_URL, timeoutSeconds });
    case 'auto':
      return new AutoSource({ nvml, nvidiaSmi, log });
  }
}
