import { duration, oneOf } from '@vigil/service';
import { z } from 'zod';

/** The collector's variables for GPUs, to be spread into its schema. Durations come out in seconds. */
export const gpuConfig = {
  GPU_SOURCE: oneOf(['auto', 'nvidia-smi', 'replay', 'none'], 'auto').describe(
    'Where GPU readings come from: auto (the best source here), nvidia-smi, replay (recordings of an H200), none',
  ),
  GPU_INTERVAL: duration('15s', 0.5).describe('Time between two readings of the GPUs, at least 500ms'),
  GPU_TIMEOUT: duration('5s', 0.1).describe('Deadline of one reading of the GPUs; nvidia-smi is killed past it'),
  REPLAY_SCRIPT: z
    .string()
    .optional()
    .describe('JSON file with the steps that GPU_SOURCE=replay plays; idle and load by turns unless set'),
};

export type GpuConfig = z.output<z.ZodObject<typeof gpuConfig>>;
