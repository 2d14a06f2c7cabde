import { bytes, commonConfig, duration, integer, port } from '@vigil/service';
import { z } from 'zod';
import { gpuConfig } from '@vigil/gpu';
import { nodeConfig } from './node/index.js';
import { engineConfig } from './engines/config.js';

const EXPECTED = 'a URL such as postgres://user:password@host:5432/name is expected';

function isPostgresUrl(text: string): boolean {
  try {
    return /^postgres(ql)?:$/.test(new URL(text).protocol);
  } catch {
    return false;
  }
}

/** What the collector reads from its environment. Durations come out in seconds, sizes in bytes. */
export const configSchema = z.object({
  ...commonConfig.shape,
  DATABASE_URL: z
    .string({ error: EXPECTED })
    .refine(isPostgresUrl, EXPECTED)
    .describe('PostgreSQL that holds what was measured'),
  OTLP_PORT: port(4318).describe('Port for OTLP over HTTP'),
  COLLECTOR_PORT: port(9464).describe("Port of the collector's metrics"),
  OTLP_BODY_LIMIT: bytes('10MiB').describe('Greatest body of one OTLP request, before and after decompression'),
  OTLP_SPOOL_MAX: bytes('512MiB').describe(
    'Disk that requests may take while PostgreSQL is away; past it OTLP is answered 503',
  ),
  RETENTION: duration('30d', 86_400).describe('How long rows are kept, at least 1d; older spans are refused'),
  MODEL_LABELS_MAX: integer(100, 1, 10_000).describe('Distinct models in labels; further ones count as "other"'),
  ...gpuConfig,
  ...nodeConfig,
  ...engineConfig,
});

export type CollectorConfig = z.output<typeof configSchema>;
