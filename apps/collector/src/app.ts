import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createLogger,
  createRegistry,
  createWeb,
  errorMessage,
  Health,
  Lifecycle,
  listen,
  UserError,
  type App,
  type Logger,
} from '@vigil/service';
import { Spool } from '@vigil/spool';
import type { CollectorConfig } from './config.js';
import { OtlpMetrics } from './receive/otlp-metrics.js';
import { createOtlpWeb } from './receive/otlp-web.js';
import { Receiver } from './receive/receiver.js';
import { RequestMetrics } from './receive/request-metrics.js';
import { startReadings } from './readings.js';
import { RetentionModule } from './retention.js';
import { StoreLink } from './write/store-link.js';
import { TableWriter, type TableWriterOptions } from './write/table-writer.js';
import { ENGINE_SAMPLES, GPU_EVENTS, GPU_SAMPLES, NODE_SAMPLES, REQUESTS } from './write/tables.js';
import { WriteMetrics } from './write/write-metrics.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Readings of one table that may wait on disk: some days of one GPU. They never take the room of requests. */
const READINGS_SPOOL_MAX = 32 * 2 ** 20;

/** The collector: OTLP in, GPU readings in, rows out, its metrics beside. */
export function createApp(config: CollectorConfig, log = createLogger('collector', config.LOG_LEVEL)): App {
  const lifecycle = new Lifecycle(log);
  return {
    start: () => start(config, log, lifecycle),
    stop: () => lifecycle.stop(),
  };
}

/** Serves once both listeners do, whether PostgreSQL answers or not. */
async function start(config: CollectorConfig, log: Logger, lifecycle: Lifecycle): Promise<Record<string, string>> {
  const registry = createRegistry('collector', version);
  const health = new Health();
  const web = { health, registry, lifecycle, log };
  const link = new StoreLink(config.DATABASE_URL, log);
  lifecycle.onStop('PostgreSQL', () => link.close());
  const spools = await openSpools(config);
  const metrics = new WriteMetrics(registry);
  metrics.watch(link, spools);
  health.add({ name: 'store', required: false, check: () => link.problem });

  const common = { link, metrics, log };
  const requests = openWriter({ ...common, table: REQUESTS, spool: spools.request, whenFull: 'refuse' }, lifecycle);
  const readings = { ...common, whenFull: 'displace' } as const;
  const gpus = openWriter({ ...readings, table: GPU_SAMPLES, spool: spools.gpu_sample }, lifecycle);
  const events = openWriter({ ...readings, table: GPU_EVENTS, spool: spools.gpu_event }, lifecycle);
  const nodes = openWriter({ ...readings, table: NODE_SAMPLES, spool: spools.node_sample }, lifecycle);

  const engines = openWriter({ ...readings, table: ENGINE_SAMPLES, spool: spools.engine_sample }, lifecycle);

  await link.start();
  await startReadings({
    config,
    registry,
    write: {
      gpus: (rows) => gpus.add(rows),
      events: (rows) => events.add(rows),
      nodes: (rows) => nodes.add(rows),
      engines: (rows) => engines.add(rows),
    },
    lifecycle,
    log,
  });
  const own = await createWeb({
    ...web,
    module: RetentionModule.of({ link, retention: config.RETENTION, log }),
  });
  const otlp = new OtlpMetrics(registry);
  const receiver = new Receiver({
    write: (rows) => requests.add(rows),
    requests: new RequestMetrics(registry),
    otlp,
    retention: config.RETENTION,
    modelLabelsMax: config.MODEL_LABELS_MAX,
    log,
  });
  const otlpWeb = await createOtlpWeb({ receiver, log, bodyLimit: config.OTLP_BODY_LIMIT }, otlp, web);
  return {
    metrics: await listen(own, config.HOST, config.COLLECTOR_PORT, 'COLLECTOR_PORT'),
    otlp: await listen(otlpWeb, config.HOST, config.OTLP_PORT, 'OTLP_PORT'),
  };
}

/** Requests wait for the disk itself, since their senders forget them; a reading lost with the machine is no loss. */
async function openSpools(config: CollectorConfig) {
  const folder = join(config.DATA_DIR, 'collector-spool');
  try {
    const forReadings = { maxBytes: READINGS_SPOOL_MAX, fsync: false };
    return {
      request: await Spool.open(join(folder, 'requests'), { maxBytes: config.OTLP_SPOOL_MAX, fsync: true }),
      gpu_sample: await Spool.open(join(folder, 'gpu'), forReadings),
      gpu_event: await Spool.open(join(folder, 'gpu-events'), forReadings),
      node_sample: await Spool.open(join(folder, 'nodes'), forReadings),
      engine_sample: await Spool.open(join(folder, 'engines'), forReadings),
    };
  } catch (error) {
    throw new UserError(
      `The folder ${folder} can't be used (${errorMessage(error)}). Set DATA_DIR to a folder that this user may write to.`,
    );
  }
}

function openWriter<R>(options: TableWriterOptions<R>, lifecycle: Lifecycle): TableWriter<R> {
  const writer = new TableWriter(options);
  lifecycle.onStop(`writer of ${options.table.name}`, () => writer.close());
  return writer;
}
