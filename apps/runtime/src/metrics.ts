import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LlamaEngine } from './engine/engine.js';
import type { LimitReason, SchedulerStats, Usage } from './engine/protocol.js';
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
  private readonly progress: Gauge;
  private readonly outOfMemory: Counter;
  private readonly limitChanges: Counter<'reason'>;
  private readonly steps: Histogram;
  private readonly batch: Histogram;
  private readonly reused: Counter;
  private readonly loops: Counter;
  private readonly reasoningCuts: Counter;

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
    this.progress = new Gauge({
      name: 'vigil_runtime_model_load_progress_ratio',
      help: 'How much of the model is loaded, 0 to 1.',
      registers,
    });
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    this.outOfMemory = counter(
      'vigil_runtime_out_of_memory_total',
      'Steps that failed and deaths of the engine for want of memory; the batch limit falls with each.',
    );
    this.reused = counter(
      'vigil_runtime_prefix_reused_tokens_total',
      'Tokens of prompts that were still there from an earlier turn and were not read again.',
    );
    this.loops = counter(
      'vigil_runtime_loops_total',
      'Answers that repeated the same block again and again, whether they were ended or not.',
    );
    this.reasoningCuts = counter(
      'vigil_runtime_reasoning_cuts_total',
      'Answers whose reasoning was closed because its budget was spent.',
    );
    this.limitChanges = new Counter({
      name: 'vigil_runtime_batch_limit_changes_total',
      help: 'Changes of the batch limit: steps were fast or slow, or memory ran out.',
      labelNames: ['reason'],
      registers,
    });
    this.steps = new Histogram({
      name: 'vigil_runtime_step_duration_seconds',
      help: 'Duration of one step, which gives every answer its next token.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 1, 2.5],
      registers,
    });
    this.batch = new Histogram({
      name: 'vigil_runtime_step_sequences',
      help: 'Sequences that were computed together in one step.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
    for (const reason of ['fast', 'slow', 'memory'] satisfies LimitReason[]) this.limitChanges.inc({ reason }, 0);
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

  restarted(outOfMemory: boolean): void {
    this.restarts.inc();
    if (outOfMemory) this.outOfMemory.inc();
    this.progress.set(0);
  }

  /** What the scheduler tells of its steps. */
  stepped({ changes, steps, reused, outOfMemory }: SchedulerStats): void {
    for (const reason of changes) if (reason !== 'start') this.limitChanges.inc({ reason });
    for (const { seconds, rows } of steps) {
      this.steps.observe(seconds);
      // A step may do nothing but read prompts.
      if (rows > 0) this.batch.observe(rows);
    }
    this.reused.inc(reused);
    this.outOfMemory.inc(outOfMemory);
  }

  done({ looped, reasoningCut }: { looped: boolean; reasoningCut: boolean }): void {
    if (looped) this.loops.inc();
    if (reasoningCut) this.reasoningCuts.inc();
  }

  loadProgress(ratio: number): void {
    this.progress.set(ratio);
  }

  spansDropped(reason: 'full' | 'disk' | 'rejected', count: number): void {
    this.dropped.inc({ reason }, count);
  }

  loaded(seconds: number): void {
    this.loading.set(seconds);
    this.progress.set(1);
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
  watch(engine: LlamaEngine, outbox: SpanOutbox, labels: { model: string; architecture: string }): void {
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
    gauge('vigil_runtime_slots', 'Requests that memory is kept for.', () => engine.info.sequences);
    gauge('vigil_runtime_batch_limit', 'Requests that are answered at once as it stands.', () => engine.batchLimit);
    gauge(
      'vigil_runtime_kv_cache_usage_ratio',
      'Share of the context that holds tokens of running requests, 0 to 1.',
      () => engine.cacheUsage,
    );
    this.watchSpool(outbox);
    gauge(
      'vigil_runtime_kv_cache_held_ratio',
      'The same with what is kept of earlier answers for their next turn.',
      () => engine.cacheHeld,
    );
    for (const part of ['model', 'context'] as const)
      gauge(
        `vigil_runtime_${part}_memory_bytes`,
        `Estimated bytes of the ${part === 'model' ? "model's weights" : 'contexts, with what computing takes'}.`,
        () => engine.info.memory[part],
      );
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
