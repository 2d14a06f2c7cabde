import { setTimeout as sleep } from 'node:timers/promises';
import type { Lifecycle, Logger } from '@vigil/service';
import type { EngineSampleRow } from '@vigil/store';
import type { Registry } from 'prom-client';
import { parseEngines, type EngineTarget } from './config.js';
import { EngineMetrics } from './engine-metrics.js';
import { EngineSampler } from './sample.js';
import { scrape, type Scrape } from './scrape.js';

export interface EnginesOptions {
  config: { ENGINE_METRICS?: string | undefined; ENGINE_INTERVAL: number; ENGINE_TIMEOUT: number };
  node: string;
  registry: Registry;
  /** Where rows go; it does not reject. */
  sink: (rows: readonly EngineSampleRow[]) => Promise<void>;
  lifecycle: Lifecycle;
  log: Logger;
}

/**
 * Reads the metrics of the engines that ENGINE_METRICS names, each at its own pace, until the lifecycle stops.
 * @throws UserError where ENGINE_METRICS can't be read
 */
export function startEngines({ config, node, registry, sink, lifecycle, log }: EnginesOptions): void {
  const targets = parseEngines(config.ENGINE_METRICS);
  if (targets.length === 0) return;
  const metrics = new EngineMetrics(registry, node);
  const stopping = new AbortController();
  const loops = targets.map((target) => {
    metrics.add(target.name);
    return watch(target, { config, node, metrics, sink, log, signal: stopping.signal });
  });
  lifecycle.onStop('engines', async () => {
    stopping.abort();
    await Promise.all(loops);
  });
}

interface WatchOptions extends Pick<EnginesOptions, 'config' | 'node' | 'sink' | 'log'> {
  metrics: EngineMetrics;
  signal: AbortSignal;
}

async function watch(target: EngineTarget, { config, node, metrics, sink, log, signal }: WatchOptions): Promise<void> {
  const sampler = new EngineSampler(node, target.name);
  let said = '';
  // Started together, an engine is a moment later than its watcher: a first silence says nothing yet.
  let isFirst = true;
  while (!signal.aborted) {
    const began = performance.now();
    const result = await scrape(target, config.ENGINE_TIMEOUT, signal);
    if (signal.aborted) return;
    const took = performance.now() - began;
    const now = new Date();
    metrics.record(target.name, result, took / 1000, now);
    if (result.ok) void sink(sampler.rows(result.reading, now));
    if (result.ok || !isFirst) said = say(log, target.name, result, said);
    isFirst = false;
    const waitMs = Math.min(Math.max(config.ENGINE_INTERVAL * 1000 - took, 0), 2 ** 31 - 1);
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

/** One line a change: an engine that is silent all night is said once. */
function say(log: Logger, engine: string, result: Scrape, said: string): string {
  const what = result.ok ? [result.reading.kind, ...result.reading.missing].join() : result.reason;
  if (what === said) return said;
  if (!result.ok) log.warn({ engine, reason: result.message }, "an engine's metrics can not be read");
  else {
    const { kind, missing, measured } = result.reading;
    const guessed = measured.filter((m) => m.guessed).map(({ measure, alias }) => `${measure.id} from ${alias}`);
    const odd = missing.length + guessed.length > 0;
    if (odd)
      log.warn({ engine, kind, missing, guessed }, "an engine's metrics are read, with gaps: its version is not known");
    else log.info({ engine, kind }, "an engine's metrics are read");
  }
  return what;
}
