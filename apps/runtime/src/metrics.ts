import { Counter, Gauge, type Registry } from 'prom-client';
import type { LlamaEngine } from './engine/engine.js';
import type { Usage } from './engine/protocol.js';
import type { SpanOutbox } from './telemetry/outbox.js';

/**
 * The engine's own metrics. Durations of requests are counted by the collector, from spans, so that nothing is counted
 * twice.
 */
export class RuntimeMetrics {
  private readonly requests: Counter<'outcome'>;
  private readonly generated: Counter<'kind'>;
  private readonly restarts: Counter;
  private readonly dropped: Counter<'reason'>;
  private readonly loading: Gauge;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'vigil_runtime_requests_total',
      help: 'Requests for an answer that ended, by how: ok, or the type of the error.',
      labelNames: ['outcome'],
      registers,
    });
    this.generated = new Counter({
      name: 'vigil_runtime_tokens_total',
      help: 'Tokens read and generated; reasoning tokens are output tokens as well.',
      labelNames: ['kind'],
      registers,
    });
    this.restarts = new Counter({
      name: 'vigil_runtime_engine_restarts_total',
      help: 'Deaths of the engine after each of which it was started again.',
      registers,
    });
    this.dropped = new Counter({
      name: 'vigil_runtime_spans_dropped_total',
      help: 'Spans that the collector will not have: the spool was full, the disk failed, or they were rejected.',
      labelNames: ['reason'],
      registers,
    });
    this.loading = new Gauge({
      name: 'vigil_runtime_model_load_seconds',
      help: 'How long the engine last took to load the model.',
      registers,
    });
    this.requests.inc({ outcome: 'ok' }, 0);
    for (const kind of ['input', 'output', 'reasoning']) this.generated.inc({ kind }, 0);
    for (const reason of ['full', 'disk', 'rejected']) this.dropped.inc({ reason }, 0);
  }

  ended(outcome: string): void {
    if (outcome !== '') this.requests.inc({ outcome });
  }

  tokens({ input, output, reasoning }: Usage): void {
    this.generated.inc({ kind: 'input' }, input);
    this.generated.inc({ kind: 'output' }, output);
    this.generated.inc({ kind: 'reasoning' }, reasoning);
  }

  restarted(): void {
    this.restarts.inc();
  }

  spansDropped(reason: 'full' | 'disk' | 'rejected', count: number): void {
    this.dropped.inc({ reason }, count);
  }

  loaded(seconds: number): void {
    this.loading.set(seconds);
  }

  watchSpool(outbox: SpanOutbox): Gauge {
    return new Gauge({
      name: 'vigil_runtime_span_spool_bytes',
      help: 'Bytes of spans that wait on disk for the collector.',
      registers: [this.registry],
      collect() {
        this.set(outbox.bytes);
      },
    });
  }

  /** What is read when the metrics are. */
  watch(engine: LlamaEngine, outbox: SpanOutbox, labels: { model: string; architecture: string; slots: number }): void {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    gauge('vigil_runtime_requests_running', 'Requests that are being answered.', () => engine.counts.running);
    gauge('vigil_runtime_requests_waiting', 'Requests that wait for a slot.', () => engine.counts.waiting);
    gauge('vigil_runtime_slots', 'Requests that can be answered at once.', () => labels.slots);
    gauge(
      'vigil_runtime_kv_cache_usage_ratio',
      'Share of the context that holds tokens of running requests, 0 to 1.',
      () => engine.cacheUsage,
    );
    this.watchSpool(outbox);
    new Gauge({
      name: 'vigil_runtime_model_info',
      help: 'Always 1; the labels say which model is served, and on what.',
      labelNames: ['model', 'architecture', 'device', 'engine'],
      registers: [this.registry],
    }).set(
      { model: labels.model, architecture: labels.architecture, device: engine.info.device, engine: engine.provider },
      1,
    );
  }
}
