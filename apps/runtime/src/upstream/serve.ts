import { Module, type DynamicModule } from '@nestjs/common';
import type { Health, Lifecycle, Logger } from '@vigil/service';
import type { Registry } from 'prom-client';
import type { RuntimeConfig } from '../config.js';
import type { RuntimeMetrics } from '../metrics.js';
import { UpstreamEngine } from './engine.js';
import { ForwardController, FORWARDING, type Forwarding } from './forward.controller.js';
import { UpstreamMetrics } from './metrics.js';
import { PROVIDERS, parseUpstreams } from './upstreams.js';

@Module({})
class UpstreamModule {
  static of(forwarding: Forwarding): DynamicModule {
    return {
      module: UpstreamModule,
      controllers: [ForwardController],
      providers: [{ provide: FORWARDING, useValue: forwarding }],
    };
  }
}

export interface ServeOptions {
  config: RuntimeConfig;
  /** Where keys are found. */
  env: Readonly<Record<string, string | undefined>>;
  registry: Registry;
  metrics: RuntimeMetrics;
  health: Health;
  lifecycle: Lifecycle;
  log: Logger;
}

/**
 * `ENGINE=upstream`: what answers are other servers.
 * @throws UserError where UPSTREAMS can't be read
 */
export async function startUpstreams(options: ServeOptions): Promise<{
  engine: UpstreamEngine;
  module: DynamicModule;
  /** As long as no upstream was chosen. */
  provider: string;
}> {
  const { config, registry, metrics, health, lifecycle, log } = options;
  const upstreams = parseUpstreams(config.UPSTREAMS, options.env);
  let counting: UpstreamMetrics | undefined;
  const engine = new UpstreamEngine({
    upstreams,
    alias: config.MODEL_NAME,
    timeouts: {
      connect: config.UPSTREAM_CONNECT_TIMEOUT * 1000,
      stall: config.UPSTREAM_STALL * 1000,
      answer: config.UPSTREAM_ANSWER_TIMEOUT * 1000,
    },
    retries: config.UPSTREAM_RETRIES,
    answerMax: config.UPSTREAM_ANSWER_MAX,
    log,
    onAttempt: (upstream, outcome) => counting?.attempt(upstream, outcome),
  });
  counting = new UpstreamMetrics(registry, engine.pool);
  lifecycle.onStop('upstreams', () => engine.stop());
  await engine.start();
  health.add({ name: 'engine', required: true, check: () => engine.illness() });
  const providers = new Set(engine.pool.members.map((member) => member.provider));
  log.info({ upstreams: upstreams.map(({ name }) => name) }, 'requests are passed on');
  return {
    engine,
    module: UpstreamModule.of({
      engine,
      metrics,
      upstreams: counting,
      captureContent: config.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT,
      requestSeconds: config.REQUEST_TIMEOUT,
    }),
    provider: providers.size === 1 ? [...providers][0]! : PROVIDERS.other,
  };
}
