import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Module, type DynamicModule } from '@nestjs/common';
import {
  createLogger,
  createRegistry,
  createWeb,
  Health,
  Lifecycle,
  listen,
  tellParent,
  UserError,
  type App,
  type Environment,
  type Logger,
} from '@vigil/service';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { RuntimeConfig } from './config.js';
import { LlamaEngine } from './engine/engine.js';
import type { LoadOptions } from './engine/protocol.js';
import { ChatController } from './http/chat.controller.js';
import { OpenAiErrorFilter } from './http/error-filter.js';
import { KeyGuard } from './http/key-guard.js';
import { ApiKeys } from './http/keys.js';
import { ModelsController } from './http/models.controller.js';
import { assertPortFree } from './http/port.js';
import { addRequestHooks } from './http/request-context.js';
import { SERVICES, type Services } from './http/services.js';
import { RuntimeMetrics } from './metrics.js';
import { resolveModel } from './model/resolve.js';
import { SpanOutbox } from './telemetry/outbox.js';
import type { Tracing } from './telemetry/request-span.js';
import { createNoTracer, createTracer, NO_NOTES } from './telemetry/tracing.js';
import { startUpstreams } from './upstream/serve.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

@Module({})
class RuntimeModule {
  static of(services: Services): DynamicModule {
    return {
      module: RuntimeModule,
      controllers: [ChatController, ModelsController],
      providers: [{ provide: SERVICES, useValue: services }],
    };
  }
}

export interface RuntimeApp extends App {
  /** The engine's process, for tests that kill it. */
  readonly enginePid: number | undefined;
}

/**
 * The runtime: an OpenAI-compatible server before llama.cpp or before other servers, whose every request is a span.
 * @param env where keys of upstreams are found
 */
export function createApp(config: RuntimeConfig, env: Environment = process.env): RuntimeApp {
  const log = createLogger('runtime', config.LOG_LEVEL);
  const lifecycle = new Lifecycle(log);
  let engine: LlamaEngine | undefined;

  const start = async (): Promise<Record<string, string>> => {
    const registry = createRegistry('runtime', version);
    const metrics = new RuntimeMetrics(registry);
    const health = new Health();
    const progress = (text: string) => tellParent({ type: 'progress', text });
    await assertPortFree(config.HOST, config.RUNTIME_PORT, 'RUNTIME_PORT');
    const parts: Parts = { config, registry, metrics, health, lifecycle, log };
    if (config.ENGINE === 'upstream') {
      const outbox = await openOutbox(parts);
      metrics.watchSpool(outbox);
      const door = await startUpstreams({ ...parts, env });
      return { runtime: await serve(parts, { ...door, outbox, stop: () => door.engine.stop() }) };
    }
    const model = await resolveModel({
      model: config.MODEL,
      name: config.MODEL_NAME,
      downloads: config.DATA_DIR,
      hub: { endpoint: config.HF_ENDPOINT, token: config.HF_TOKEN },
      progress,
    });
    const outbox = await openOutbox(parts);
    const tenths = everyTenth((percent) => progress(`loading ${model.name}: ${percent} %`));
    const llama = new LlamaEngine({
      load: {
        path: model.path,
        gpu: config.LLAMA_GPU,
        gpuLayers: config.GPU_LAYERS,
        threads: config.THREADS,
        contextSize: config.CONTEXT_SIZE,
        sequences: config.SLOTS,
        batch: batchOf(config),
        kvCacheType: config.KV_CACHE_TYPE,
        flashAttention: config.FLASH_ATTENTION,
        reasoningBudget: config.REASONING_BUDGET,
        loopGuard: config.LOOP_GUARD,
      },
      queueMax: config.QUEUE_MAX,
      stallSeconds: config.ENGINE_STALL,
      queueSeconds: config.QUEUE_TIMEOUT,
      requestSeconds: config.REQUEST_TIMEOUT,
      log,
      onReady: (seconds) => metrics.loaded(seconds),
      onDeath: (outOfMemory) => metrics.restarted(outOfMemory),
      onStats: (stats) => metrics.stepped(stats),
      onDone: (how) => metrics.done(how),
      onProgress: (ratio) => {
        metrics.loadProgress(ratio);
        tenths(ratio);
      },
    });
    engine = llama;
    lifecycle.onStop('engine', () => llama.stop());
    await llama.start();
    if (!llama.info.speaksDeepSeek)
      log.warn({ model: model.name }, "the model does not know DeepSeek's chat tokens; its answers may be poor");
    metrics.watch(llama, outbox, { model: model.name, architecture: model.architecture });
    health.add({ name: 'engine', required: true, check: () => llama.illness() });

    const services = { engine: llama, model: model.name, created: Math.floor(Date.now() / 1000), metrics };
    const door = { module: RuntimeModule.of(services), provider: llama.provider, outbox, stop: () => llama.stop() };
    const address = await serve(parts, door);
    log.info({ model: model.name, device: llama.info.device, address }, 'the runtime serves');
    return { runtime: address };
  };

  return {
    start,
    stop: () => lifecycle.stop(),
    get enginePid() {
      return engine?.pid;
    },
  };
}

interface Parts {
  config: RuntimeConfig;
  registry: Registry;
  metrics: RuntimeMetrics;
  health: Health;
  lifecycle: Lifecycle;
  log: Logger;
}

/** What answers, whatever it is. */
interface Door {
  module: DynamicModule;
  /** As `gen_ai.provider.name` has it. */
  provider: string;
  outbox: SpanOutbox;
  /** Ends what is being answered, and says so. */
  stop: () => Promise<void>;
}

async function openOutbox({ config, metrics, lifecycle, log }: Parts): Promise<SpanOutbox> {
  const outbox = await SpanOutbox.open({
    dataDir: config.DATA_DIR,
    maxBytes: config.SPAN_SPOOL_MAX,
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    log,
    onDropped: (reason, count) => metrics.spansDropped(reason, count),
  });
  lifecycle.onStop('spans', () => outbox.shutdown());
  return outbox;
}

/** @returns the address at which it serves */
async function serve(parts: Parts, { module, provider, outbox, stop }: Door): Promise<string> {
  const { config, registry, metrics, health, lifecycle, log } = parts;
  const node = config.NODE_NAME ?? hostname();
  const off = config.OTEL_SDK_DISABLED;
  const tracing: Tracing = {
    tracer: off ? createNoTracer() : createTracer(outbox, { version, node }),
    outbox: off ? NO_NOTES : outbox,
    provider,
    server: { address: /^(0\.0\.0\.0|::)$/.test(config.HOST) ? node : config.HOST, port: config.RUNTIME_PORT },
    captureContent: !off && config.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT,
  };
  const keys = new ApiKeys(config.API_KEYS, {
    concurrency: config.API_KEY_CONCURRENCY,
    perMinute: config.API_KEY_RPM,
  });
  const web = await createWeb({
    module,
    health,
    registry,
    log,
    lifecycle,
    bodyLimit: config.BODY_LIMIT,
    configure: (app) => {
      app.useGlobalFilters(new OpenAiErrorFilter(log, config.BODY_LIMIT));
      app.useGlobalGuards(new KeyGuard(keys));
      if (config.CORS_ORIGINS.length > 0)
        app.enableCors({
          origin: config.CORS_ORIGINS.includes('*') ? '*' : config.CORS_ORIGINS,
          methods: ['GET', 'POST'],
          exposedHeaders: ['x-request-id', 'retry-after'],
          maxAge: 600,
        });
      addRequestHooks(app.getHttpAdapter().getInstance() as unknown as FastifyInstance, () => tracing, metrics);
    },
  });
  // Whoever waits for an answer is told before the connections are closed.
  lifecycle.onStop('answers', stop);
  const address = await listen(web, config.HOST, config.RUNTIME_PORT, 'RUNTIME_PORT');
  tracing.server.port = Number(new URL(address).port);
  return address;
}

/** @throws UserError where the settings contradict one another */
function batchOf(config: RuntimeConfig): LoadOptions['batch'] {
  const { BATCH_MIN, BATCH_MAX, TARGET_LATENCY_MS, KV_CACHE_TYPE, FLASH_ATTENTION } = config;
  if (BATCH_MIN > BATCH_MAX)
    throw new UserError(`BATCH_MIN is ${BATCH_MIN} and BATCH_MAX ${BATCH_MAX}: the first must not be greater.`);
  if (KV_CACHE_TYPE === 'q8_0' && !FLASH_ATTENTION)
    throw new UserError('KV_CACHE_TYPE is q8_0, which needs FLASH_ATTENTION=true.');
  return { min: BATCH_MIN, max: BATCH_MAX, targetSeconds: TARGET_LATENCY_MS / 1000 };
}

/** Calls for each tenth that a ratio reaches, once. */
function everyTenth(tell: (percent: number) => void): (ratio: number) => void {
  let told = 0;
  return (ratio) => {
    const tenth = Math.floor(ratio * 10);
    if (tenth <= told || tenth === 10) return;
    told = tenth;
    tell(tenth * 10);
  };
}
