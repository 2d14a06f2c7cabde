import { HostProbe, rootsOf } from '@vigil/host';
import type { Lifecycle, Logger } from '@vigil/service';
import type { Registry } from 'prom-client';
import type { NodeConfig } from './config.js';
import type { NodeGpus } from './gpus.js';
import { NodeMetrics } from './node-metrics.js';
import { NodePoller, type NodeSink } from './poller.js';

export { nodeConfig, type NodeConfig } from './config.js';
export { LatestGpus, type NodeGpus } from './gpus.js';
export type { NodeSink } from './poller.js';
export type { NodeSample } from './sample.js';

export interface NodeOptions {
  config: NodeConfig & { DATA_DIR: string };
  /** The node's name. */
  node: string;
  registry: Registry;
  sink: NodeSink;
  /** What the latest reading of the GPUs said. */
  gpus: () => NodeGpus;
  log: Logger;
  lifecycle: Lifecycle;
}

/** Begins to read this machine, unless `NODE_INTERVAL` is 0. */
export function startNode({ config, node, registry, sink, gpus, log, lifecycle }: NodeOptions): void {
  if (config.NODE_INTERVAL === 0) return log.info('the node is not read: NODE_INTERVAL is 0s');
  const { HOST_PROC, HOST_SYS } = config;
  const poller = new NodePoller({
    probe: new HostProbe({
      timeoutSeconds: config.NODE_TIMEOUT,
      volumePath: config.MODEL_VOLUME ?? config.DATA_DIR,
      roots: rootsOf({ HOST_PROC, HOST_SYS }),
    }),
    node,
    intervalSeconds: config.NODE_INTERVAL,
    metrics: new NodeMetrics(registry, node),
    sink,
    gpus,
    log,
  });
  lifecycle.onStop('node poller', () => poller.close());
  poller.start();
}
