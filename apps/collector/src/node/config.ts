import { duration } from '@vigil/service';
import { z } from 'zod';

/** The collector's variables for its node, to be spread into its schema. Durations come out in seconds. */
export const nodeConfig = {
  NODE_INTERVAL: duration('15s')
    .refine((seconds) => seconds === 0 || seconds >= 1, '0s, or a duration of at least 1s, is expected')
    .describe(
      "Time between two readings of this machine's CPU, memory, disk and network, at least 1s; 0s reads none, and then nobody notices when it falls silent",
    ),
  NODE_TIMEOUT: duration('5s', 0.1).describe(
    'Deadline of one reading of this machine; what reads it is killed past it',
  ),
  MODEL_VOLUME: z
    .string()
    .optional()
    .describe('A path on the volume that holds the model, whose space and throughput are read; DATA_DIR unless set'),
  HOST_PROC: z.string().optional().describe("Where a container has its host's /proc mounted, to tell of the host"),
  HOST_SYS: z.string().optional().describe("Where a container has its host's /sys mounted, to tell of the host"),
};

export type NodeConfig = z.output<z.ZodObject<typeof nodeConfig>>;
