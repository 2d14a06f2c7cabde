import {
  comparePresence,
  createGpuSource,
  KernelLog,
  NOTHING_KNOWN,
  readPciGpus,
  xidEvent,
  XidOnce,
  type GpuConfig,
  type GpuEvent,
  type GpuReading,
  type GpuSample,
  type GpuSource,
  type KernelXid,
  type Presence,
} from '@vigil/gpu';
import { errorMessage, type Logger } from '@vigil/service';
import type { Registry } from 'prom-client';
import { GpuMetrics } from './gpu-metrics.js';
import { GpuPoller } from './poller.js';

/** How long an XID waits to learn which GPU it is of, in seconds; then it is told without one. */
const LOOK_UP_SECONDS = 2;
/** NVML tells an XID with its next reading and a dcgm-exporter, which reads every 30 s, later still. */
const SAME_XID_SECONDS = 30;

/** Takes samples and events. What it throws or rejects with is logged and changes nothing; a promise is not awaited. */
export interface GpuSinks {
  /** Takes each reading, failed ones too, before what it holds is handed on. Must not throw. */
  onReading?: (reading: GpuReading, now: Date) => void;
  onSamples: (samples: GpuSample[]) => void | Promise<void>;
  /** XIDs and GPUs that vanished or came back, each once, from readings and from the kernel's log. */
  onEvents: (events: GpuEvent[]) => void | Promise<void>;
}

export interface GpuWatchOptions extends GpuSinks {
  source: GpuSource;
  metrics: GpuMetrics;
  intervalSeconds: number;
  /** Path of the kernel's log; none is followed without one. */
  kernelLog?: string | undefined;
  log: Logger;
  now?: () => Date;
  /** UUIDs by place on the bus. */
  pciGpus?: () => Promise<ReadonlyMap<string, string>>;
}

/**
 * Reads the GPUs of this machine and publishes them, hands samples and events on, and follows the kernel's log, until
 * it is closed.
 * @throws UserError where `REPLAY_SCRIPT` cannot be read or is wrong
 */
export async function startGpuWatch(
  options: GpuSinks & {
    config: GpuConfig;
    node: string;
    registry: Registry;
    log: Logger;
    hostProc?: string | undefined;
  },
): Promise<{ close(): Promise<void> }> {
  const { config, node, registry, log } = options;
  const watch = new GpuWatch({
    ...options,
    source: await createGpuSource(config, log, options.hostProc === undefined ? {} : { hostProc: options.hostProc }),
    metrics: new GpuMetrics(registry, node, { compat: config.METRICS_COMPAT }),
    intervalSeconds: config.GPU_INTERVAL,
    kernelLog: kernelLogOf(config),
  });
  watch.start();
  return watch;
}

/** The kernel's log is of this machine's GPUs: not of replayed ones, nor of ones that nobody wants watched. */
export function kernelLogOf({ GPU_SOURCE: source, KERNEL_LOG: path }: GpuConfig): string | undefined {
  return path === 'none' || source === 'none' || source === 'replay' ? undefined : path;
}

/** One stream of readings and one of events. It owns its source. */
export class GpuWatch {
  private readonly poller: GpuPoller;
  private readonly kernel: KernelLog | undefined;
  private readonly once: XidOnce;
  private readonly now: () => Date;
  /** UUIDs by place on the bus, as far as they were told. */
  private readonly places = new Map<string, string>();
  private presence: Presence = NOTHING_KNOWN;
  private lookUp: Promise<void> | undefined;
  private closed = false;

  constructor(private readonly options: GpuWatchOptions) {
    const { source, intervalSeconds, kernelLog, log } = options;
    this.now = options.now ?? (() => new Date());
    this.once = new XidOnce(2 * intervalSeconds + SAME_XID_SECONDS);
    this.poller = new GpuPoller({
      source,
      intervalSeconds,
      log,
      now: this.now,
      sink: (reading, now, durationSeconds) => this.take(reading, now, durationSeconds),
    });
    if (kernelLog !== undefined)
      this.kernel = new KernelLog({
        path: kernelLog,
        log,
        now: this.now,
        onXid: (xid, time) => void this.takeKernelXid(xid, time),
        onGpu: ({ address, uuid }) => this.places.set(address, uuid),
      });
  }

  start(): void {
    this.poller.start();
    if (this.kernel === undefined) return;
    void this.learnPlaces();
    this.kernel.start();
  }

  /** Hands nothing on any more once it resolves. */
  async close(): Promise<void> {
    this.closed = true;
    this.kernel?.close();
    await this.poller.close();
  }

  private take(reading: GpuReading, now: Date, durationSeconds: number): void {
    this.options.metrics.record(reading, durationSeconds, now);
    const { presence, events } = comparePresence(this.presence, reading, now);
    this.presence = presence;
    this.options.onReading?.(reading, now);
    if (reading.state === 'up') this.handOn('samples', () => this.options.onSamples(reading.samples));
    this.tell(reading.state === 'up' ? [...reading.events, ...events] : events);
  }

  private async takeKernelXid(xid: KernelXid, time: Date): Promise<void> {
    if (!this.places.has(xid.address)) await this.learnPlaces();
    if (this.closed) return;
    const uuid = this.places.get(xid.address) ?? null;
    const device = this.presence.gpus.find((known) => uuid !== null && known.uuid === uuid)?.gpu ?? null;
    const gpu = device !== null && xid.instance !== null ? `${device}/${xid.instance}` : device;
    this.tell([xidEvent(xid.code, { time, gpu, uuid, replay: false, source: 'kmsg', message: xid.message })]);
  }

  /** Once at a time and never for long: a driver that hangs may hang this too. */
  private async learnPlaces(): Promise<void> {
    this.lookUp ??= this.readPlaces();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, LOOK_UP_SECONDS * 1000);
    });
    await Promise.race([this.lookUp, late]);
    clearTimeout(timer);
  }

  private async readPlaces(): Promise<void> {
    try {
      const found = await (this.options.pciGpus ?? readPciGpus)();
      for (const [address, uuid] of found) this.places.set(address, uuid);
    } catch (error) {
      this.options.log.warn({ reason: errorMessage(error) }, 'the places of the GPUs on the bus could not be read');
    } finally {
      this.lookUp = undefined;
    }
  }

  private tell(events: readonly GpuEvent[]): void {
    const news = events.filter((event) => this.once.isNew(event));
    if (news.length === 0) return;
    this.options.metrics.recordEvents(news);
    for (const { kind, code, gpu, uuid, class: severity, meaning, source } of news) {
      const fields = { kind, code, gpu, uuid, class: severity, source };
      if (severity === 'critical' || severity === 'warning') this.options.log.warn(fields, meaning);
      else this.options.log.info(fields, meaning);
    }
    this.handOn('events', () => this.options.onEvents(news));
  }

  private handOn(what: string, deliver: () => void | Promise<void>): void {
    const failed = (error: unknown): void =>
      this.options.log.error({ reason: errorMessage(error) }, `GPU ${what} could not be handed on`);
    try {
      const done = deliver();
      if (done instanceof Promise) done.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
