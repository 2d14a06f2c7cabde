import { setTimeout as sleep } from 'node:timers/promises';
import type { HostProbe, HostReading, HostUp } from '@vigil/host';
import { errorMessage, type Logger } from '@vigil/service';
import type { NodeGpus } from './gpus.js';
import type { NodeMetrics } from './node-metrics.js';
import { emptySample, toNodeSample, type NodeSample } from './sample.js';

/** Node's timers turn a longer wait into none. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** Takes each sample. What it throws or rejects with is logged and changes nothing; a promise is not awaited. */
export type NodeSink = (sample: NodeSample) => void | Promise<void>;

export interface NodePollerOptions {
  probe: HostProbe;
  /** The node's name. */
  node: string;
  intervalSeconds: number;
  metrics: NodeMetrics;
  sink: NodeSink;
  /** What the latest reading of the GPUs said. */
  gpus: () => NodeGpus;
  log: Logger;
  now?: () => Date;
}

/**
 * Reads the node again and again, one reading at a time, and hands each one on. A reading that failed hands on nothing:
 * a node of which nothing is heard is a signal of its own. It owns its probe.
 */
export class NodePoller {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;
  private before: HostUp | undefined;
  private said = '';

  constructor(private readonly options: NodePollerOptions) {}

  /** The first reading begins at once. */
  start(): void {
    this.loop ??= this.run();
  }

  /** Calls off the reading in flight and hands nothing on any more. */
  async close(): Promise<void> {
    this.stopping.abort();
    await this.options.probe.close();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const { probe, intervalSeconds } = this.options;
    while (!signal.aborted) {
      const begin = performance.now();
      const reading = await probe.read(signal);
      if (signal.aborted) return;
      this.say(reading);
      this.take(reading, (performance.now() - begin) / 1000);
      const waitMs = begin + intervalSeconds * 1000 - performance.now();
      await sleep(Math.min(Math.max(waitMs, 0), MAX_WAIT_MS), undefined, { signal }).catch(() => undefined);
    }
  }

  private take(reading: HostReading, durationSeconds: number): void {
    const { metrics, node, gpus, now } = this.options;
    if (reading.state === 'failed') return metrics.recordFailure(reading, durationSeconds);
    const context = { time: now?.() ?? new Date(), node, gpus: gpus() };
    if (reading.state === 'none') return this.deliver(emptySample(context));
    const sample = toNodeSample(this.before, reading, context);
    this.before = reading;
    metrics.record(sample, reading, durationSeconds);
    this.deliver(sample);
  }

  private deliver(sample: NodeSample): void {
    const failed = (error: unknown): void =>
      this.options.log.error({ reason: errorMessage(error) }, 'a reading of the node could not be handed on');
    try {
      const done = this.options.sink(sample);
      // A slow store must not slow the reading; what the sink holds back is bounded by the sink.
      if (done instanceof Promise) done.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** One line a change: a volume that hangs all night is said once. */
  private say(reading: HostReading): void {
    const what = reading.state === 'up' ? remarks(reading) : [reading.reason];
    const text = `${reading.state} ${what.join()}`;
    if (this.said === text) return;
    this.said = text;
    const { log } = this.options;
    if (reading.state === 'failed') log.warn({ kind: reading.kind, reason: reading.reason }, 'reading the node failed');
    else if (reading.state === 'none') log.info({ reason: reading.reason }, 'the node is not read');
    else if (what.length > 0) log.warn({ remarks: what }, 'the node is read, with remarks');
    else log.info({ volume: reading.volume?.path, device: reading.volume?.device }, 'the node is read');
  }
}

function remarks({ machine, problem }: HostUp): string[] {
  const all: string[] = [];
  if (problem !== null) all.push(`Nothing is said of the model's volume: ${problem}. MODEL_VOLUME names it.`);
  if (machine.interfaces.length === 0)
    all.push(
      "No physical network interface is seen. In a container, use the host's network, or mount the host's /sys and set HOST_SYS to where.",
    );
  return all;
}
