import { commonConfig, duration, flag, port } from '@vigil/service';
import { z } from 'zod';

/** What `npm start` reads; everything else goes to the processes that it starts, as it is. */
export const configSchema = z.object({
  ...commonConfig.shape,
  DATABASE_URL: z
    .string()
    .refine((v) => /^postgres(ql)?:\/\//.test(v), 'a URL that begins with postgres:// is expected')
    .optional()
    .describe('Your own PostgreSQL; without it an embedded one is started'),
  POSTGRES_PORT: port(5433).describe('Port of the embedded PostgreSQL'),
  RUNTIME_PORT: port(8000).describe("Port of the runtime's OpenAI API"),
  API_PORT: port(8080).describe('Port of the API and the console'),
  OTLP_PORT: port(4318).describe('Port for OTLP over HTTP'),
  COLLECTOR_PORT: port(9464).describe("Port of the collector's metrics"),
  SLACK_WEBHOOK_URL: z.string().optional().describe('Incoming webhook that alerts are sent to'),
  PROMETHEUS: flag(true).describe('Start a Prometheus beside, where one is on the PATH'),
  PROMETHEUS_SCRAPE_INTERVAL: duration('15s', 1).describe('How often that Prometheus scrapes'),
  PROMETHEUS_PORT: port(9090).describe('Port of that Prometheus'),
});

export type LaunchConfig = z.output<typeof configSchema>;
