import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** Milliseconds, the longest that a timer takes: a histogram of the event loop's delay is never written to. */
const NEVER = 2 ** 31 - 1;
/**
 * To write to it takes a timer every 10 ms, which cost an idle process a hundredth of a core, and one that computes tokens
 * beside it as much of its speed. `nodejs_eventloop_lag_seconds` is left, which is measured when it is read.
 */
const COSTLY = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((of) => `nodejs_eventloop_lag_${of}_seconds`);

/** A registry with the process's own metrics (`process_*`, `nodejs_*`) and `vigil_build_info`. */
export function createRegistry(service: string, version: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER });
  for (const name of COSTLY) registry.removeSingleMetric(name);
  let before = performance.eventLoopUtilization();
  const utilization = new Gauge({
    name: 'nodejs_eventloop_utilization_ratio',
    help: 'Share of the time since it was read last in which the event loop had something to do.',
    registers: [registry],
    collect: () => {
      const now = performance.eventLoopUtilization();
      utilization.set(performance.eventLoopUtilization(now, before).utilization);
      before = now;
    },
  });
  new Gauge({
    name: 'vigil_build_info',
    help: 'Always 1; the labels say which version runs on which Node.js.',
    labelNames: ['version', 'node_version'],
    registers: [registry],
  }).set({ version, node_version: process.versions.node }, 1);
  return registry;
}
