import { duration, httpUrl, oneOf } from '@vigil/service';
import { z } from 'zod';

/** The collector's variables for GPUs, to be spread into its schema. Durations come out in seconds. */
export const gpuConfig = {
  GPU_SOURCE: oneOf(['auto', 'nvml', 'nvidia-smi', 'dcgm', 'replay', 'none'], 'auto').describe(
    'Where GPU readings come from: auto (nvml, else nvidia-smi, else none), nvml, nvidia-smi, dcgm (a dcgm-exporter), replay (recordings of an H200), none',
  ),
  GPU_INTERVAL: duration('15s', 0.5).describe('Time between two readings of the GPUs, at least 500ms'),
  GPU_TIMEOUT: duration('5s', 0.1).describe('Deadline of one reading of the GPUs; what reads them is killed past it'),
  NVML_LIBRARY: z.string().optional().describe("NVML's library, a name or a path; libnvidia-ml.so.1 unless set"),
  DCGM_URL: httpUrl()
    .default('http://127.0.0.1:9400/metrics')
    .describe('Metrics of the dcgm-exporter that GPU_SOURCE=dcgm reads'),
  KERNEL_LOG: z
    .string()
    .default('/dev/kmsg')
    .describe("Kernel log that is followed for the GPUs' XIDs, a path, or none; not with GPU_SOURCE none and replay"),
  METRICS_COMPAT: oneOf(['none', 'dcgm'], 'none').describe(
    'Names at /metrics beside our own: dcgm adds those of a dcgm-exporter, so that its dashboards keep working',
  ),
  REPLAY_SCRIPT: z
    .string()
    .optional()
    .describe('JSON file with the steps that GPU_SOURCE=replay plays; idle and load by turns unless set'),
};

export type GpuConfig = z.output<z.ZodObject<typeof gpuConfig>>;
