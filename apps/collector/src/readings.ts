import { hostname } from 'node:os';
import type { Lifecycle, Logger } from '@vigil/service';
import type { EngineSampleRow, GpuEventRow, GpuSampleRow, NodeSampleRow } from '@vigil/store';
import type { Registry } from 'prom-client';
import type { CollectorConfig } from './config.js';
import { startEngines } from './engines/engines.js';
import { LatestGpus, startNode } from './node/index.js';
import { startGpuWatch } from './sources/gpu-watch.js';
import { toEventRow, toGpuRow } from './write/gpu-rows.js';

export interface ReadingsOptions {
  config: CollectorConfig;
  registry: Registry;
  /** Where rows go; each resolves once they are safe. */
  write: {
    gpus: (rows: readonly GpuSampleRow[]) => Promise<void>;
    events: (rows: readonly GpuEventRow[]) => Promise<void>;
    nodes: (rows: readonly NodeSampleRow[]) => Promise<void>;
    engines: (rows: readonly EngineSampleRow[]) => Promise<void>;
  };
  lifecycle: Lifecycle;
  log: Logger;
}

/** Reads this machine, its GPUs and the engines that it is told of, and hands on what they say. */
export async function startReadings({ config, registry, write, lifecycle, log }: ReadingsOptions): Promise<void> {
  const node = config.NODE_NAME ?? hostname();
  const latest = new LatestGpus();
  const gpus = await startGpuWatch({
    config,
    node,
    registry,
    log,
    hostProc: config.HOST_PROC,
    onReading: (reading, now) => latest.record(reading, now),
    onSamples: (samples) => write.gpus(samples.map((sample) => toGpuRow(sample, node))),
    onEvents: (events) => write.events(events.map((event) => toEventRow(event, node))),
  });
  lifecycle.onStop('GPU watch', () => gpus.close());
  startNode({ config, node, registry, sink: (sample) => write.nodes([sample]), gpus: latest.get, log, lifecycle });
  startEngines({ config, node, registry, sink: write.engines, lifecycle, log });
}
