import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createGpuSource } from '@vigil/gpu';
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
import type { Registry } from 'prom-client';
import type { CollectorConfig } from './config.js';
import { startEngines } from './engines/engines.js';
import { OtlpMetrics } from './receive/otlp-metrics.js';
import { createOtlpWeb } from './receive/otlp-web.js';
import { Receiver } from './receive/receiver.js';
import { RequestMetrics } from './receive/request-metrics.js';
import { RetentionModule } from './retention.js';
import { GpuMetrics } from './sources/gpu-metrics.js';
import { GpuPoller } from './sources/poller.js';
import { toGpuRow } from './write/gpu-rows.js';
import { StoreLink } from './write/store-link.js';
import { TableWriter, type TableWriterOptions } from './write/table-writer.js';
import { GPU_SAMPLES, REQUESTS } from './write/tables.js';
import { WriteMetrics } from './write/write-metrics.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** GPU samples that may wait on disk: some days of one GPU. They never take the room of requests. */
const GPU_SPOOL_MAX = 32 * 2 ** 20;

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
  metrics.watch(link, { request: spools.requests, gpu_sample: spools.gpu });
  health.add({ name: 'store', required: false, check: () => link.problem });

  const common = { link, metrics, log };
  const requests = openWriter({ ...common, table: REQUESTS, spool: spools.requests, whenFull: 'refuse' }, lifecycle);
  const samples = openWriter({ ...common, table: GPU_SAMPLES, spool: spools.gpu, whenFull: 'displace' }, lifecycle);

  await link.start();
  await startGpus(config, registry, samples, log, lifecycle);
  startEngines({ config, node: config.NODE_NAME ?? hostname(), registry, lifecycle, log });
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

/** Requests wait for the disk itself, since their senders forget them; a GPU sample lost with the machine is no loss. */
async function openSpools(config: CollectorConfig): Promise<{ requests: Spool; gpu: Spool }> {
  const folder = join(config.DATA_DIR, 'collector-spool');
  try {
    return {
      requests: await Spool.open(join(folder, 'requests'), { maxBytes: config.OTLP_SPOOL_MAX, fsync: true }),
      gpu: await Spool.open(join(folder, 'gpu'), { maxBytes: GPU_SPOOL_MAX, fsync: false }),
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

async function startGpus(
  config: CollectorConfig,
  registry: Registry,
  writer: TableWriter<Parameters<typeof GPU_SAMPLES.describe>[0]>,
  log: Logger,
  lifecycle: Lifecycle,
): Promise<void> {
  const node = config.NODE_NAME ?? hostname();
  const metrics = new GpuMetrics(registry, node);
  const poller = new GpuPoller({
    source: await createGpuSource(config, log),
    intervalSeconds: config.GPU_INTERVAL,
    sink: async (reading, _now, durationSeconds) => {
      metrics.record(reading, durationSeconds);
      if (reading.state === 'up') await writer.add(reading.samples.map((sample) => toGpuRow(sample, node)));
    },
    log,
  });
  lifecycle.onStop('GPU poller', () => poller.close());
  poller.start();
}
