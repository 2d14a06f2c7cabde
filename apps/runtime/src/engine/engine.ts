import { UserError, type Logger } from '@vigil/service';
import { ApiError, deadlineExceeded } from '../errors.js';
import { EngineDiedError, EngineProcess, LoadRefusedError } from './engine-process.js';
import { FairQueue } from './fair-queue.js';
import { Generation } from './generation.js';
import type { AnswerMessage, GenerationRequest, LoadOptions, ModelInfo, SchedulerStats } from './protocol.js';

/** Whatever answers: llama.cpp here, another server elsewhere. */
export interface Engine {
  /** As `gen_ai.provider.name` has it. */
  readonly provider: string;
  readonly info: ModelInfo;
  /** A sentence when it can not answer now. */
  illness(): string | undefined;
  /**
   * @param owner whose it is: those who wait are served by turns
   * @throws ApiError when nobody else may wait, or the engine is gone for longer
   */
  generate(request: GenerationRequest, owner?: number): Generation;
}

export interface LlamaEngineOptions {
  load: LoadOptions;
  /** Requests that may wait for a slot. */
  queueMax: number;
  /** Seconds without a sign of life after which the process is ended. */
  stallSeconds: number;
  /** Seconds that a request may wait for a slot; 0 is as long as it takes. */
  queueSeconds: number;
  /** Seconds until the end of an answer, waiting included; 0 is as long as it takes. */
  requestSeconds: number;
  log: Logger;
  onReady?: (seconds: number) => void;
  /** It died, perhaps for want of memory. */
  onDeath?: (outOfMemory: boolean) => void;
  onStats?: (stats: SchedulerStats) => void;
  onDone?: (how: { reasoningCut: boolean; looped: boolean }) => void;
  onProgress?: (ratio: number) => void;
}

interface Run {
  generation: Generation;
  owner: number | undefined;
  /** Milliseconds of the monotonic clock. */
  lastSign: number;
  startedAt: number;
}

/** After so many failed attempts to come back nobody is kept waiting any more. */
const GIVE_UP_AFTER = 3;
const WATCH_MS = 1_000;

/** llama.cpp in a process of its own, with a bounded queue before its slots. */
export class LlamaEngine implements Engine {
  readonly provider = 'llama.cpp';
  private readonly process: EngineProcess;
  private readonly waiting = new FairQueue<Generation>();
  /** By id. */
  private readonly running = new Map<number, Run>();
  private nextId = 1;
  private meanSeconds = 1;
  private loaded: ModelInfo | undefined;
  private limit = 1;
  private cellsUsed = 0;
  private watch: NodeJS.Timeout | undefined;

  constructor(private readonly options: LlamaEngineOptions) {
    this.process = new EngineProcess(
      options.load,
      {
        answers: (messages, stats) => {
          if (stats) this.onStats(stats);
          for (const message of messages) this.onMessage(message);
          this.pump();
        },
        ready: (info, seconds) => {
          this.loaded = info;
          this.limit = info.limit;
          options.onReady?.(seconds);
          this.pump();
        },
        died: (how, outOfMemory) => this.onDeath(how, outOfMemory),
        progress: (ratio) => options.onProgress?.(ratio),
      },
      options.log,
    );
  }

  /**
   * Loads the model.
   * @throws UserError a sentence that names the file and MODEL
   */
  async start(): Promise<void> {
    try {
      await this.process.start();
    } catch (error) {
      if (error instanceof LoadRefusedError) throw new UserError(error.message);
      const reason = (error as Error).message.trim().replace(/\.$/, '');
      const { path, gpu } = this.options.load;
      const advice =
        error instanceof EngineDiedError && gpu !== 'auto' && gpu !== 'none'
          ? `LLAMA_GPU=${gpu} may not fit this machine's driver: update the driver, or let LLAMA_GPU be auto`
          : 'Set MODEL to another GGUF file; if memory is short, lower SLOTS or CONTEXT_SIZE';
      throw new UserError(`The model file ${path} could not be loaded: ${reason}. ${advice}.`);
    }
    this.watch = setInterval(() => {
      this.process.tick();
      this.endStalled(performance.now());
    }, WATCH_MS);
    this.watch.unref();
  }

  /** Ends the process; whoever waits or is being answered is told. */
  async stop(): Promise<void> {
    clearInterval(this.watch);
    const error = () => new ApiError(503, 'server_stopping', 'The server is stopping.', { retryAfter: 5 });
    for (const generation of this.waiting.drain()) generation.fail(error());
    for (const { generation } of this.running.values()) generation.fail(error());
    this.running.clear();
    await this.process.stop();
  }

  get info(): ModelInfo {
    if (!this.loaded) throw new Error('The model is not loaded yet.');
    return this.loaded;
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get counts(): { running: number; waiting: number } {
    return { running: this.running.size, waiting: this.waiting.length };
  }

  /** Share of the context's cells that hold tokens of running requests, 0 to 1. */
  get cacheUsage(): number {
    const cells = this.loaded ? this.loaded.contextSize * this.loaded.sequences : 0;
    let used = 0;
    for (const { generation } of this.running.values()) used += generation.usage.input + generation.usage.output;
    return cells === 0 ? 0 : Math.min(used / cells, 1);
  }

  /** The same with what is kept of earlier answers. */
  get cacheHeld(): number {
    return Math.max(this.cellsUsed, this.cacheUsage);
  }

  /** Requests that are answered at once, as it stands. */
  get batchLimit(): number {
    return this.limit;
  }

  illness(): string | undefined {
    return this.process.state === 'ready' ? undefined : this.process.reason;
  }

  generate(request: GenerationRequest, owner?: number): Generation {
    if (this.process.state === 'stopped' || this.process.failures >= GIVE_UP_AFTER)
      throw new ApiError(503, 'engine_unavailable', `No answers can be given now: ${this.process.reason}.`, {
        retryAfter: 10,
      });
    const busy = this.running.size >= this.limit || this.process.state !== 'ready';
    if (busy && this.waiting.length >= this.options.queueMax)
      throw new ApiError(429, 'queue_full', 'Too many requests are waiting for an answer. Try again in a moment.', {
        retryAfter: retryAfter(this.waiting.length, this.limit, this.meanSeconds),
      });
    const generation = new Generation(this.nextId++, request, (g) => this.onCancel(g));
    this.waiting.push(generation, owner);
    this.bound(generation, this.options.requestSeconds, deadlineExceeded);
    this.bound(generation, this.options.queueSeconds, queueTimeout, () => this.waiting.has(generation));
    this.pump();
    return generation;
  }

  /** Cancels it after so many seconds, if it still is as `still` asks. */
  private bound(
    generation: Generation,
    seconds: number,
    error: (seconds: number) => ApiError,
    still = () => true,
  ): void {
    if (seconds <= 0) return;
    const timer = setTimeout(() => still() && generation.cancel(error(seconds)), seconds * 1000);
    timer.unref();
    generation.onEnd(() => clearTimeout(timer));
  }

  private pump(): void {
    while (this.waiting.length > 0 && this.process.state === 'ready' && this.running.size < this.limit) {
      const next = this.waiting.shift(this.load());
      if (!next) return;
      const { item: generation, owner } = next;
      const now = performance.now();
      generation.dispatched();
      this.running.set(generation.id, { generation, owner, lastSign: now, startedAt: now });
      this.process.send({ type: 'generate', id: generation.id, request: generation.request });
    }
  }

  /** How many each owner has running. */
  private load(): Map<number | undefined, number> {
    const load = new Map<number | undefined, number>();
    for (const { owner } of this.running.values()) load.set(owner, (load.get(owner) ?? 0) + 1);
    return load;
  }

  private onCancel(generation: Generation): void {
    if (this.waiting.delete(generation)) return;
    // The slot is free once the engine says so: a step may be under way.
    if (this.running.has(generation.id)) this.process.send({ type: 'cancel', id: generation.id });
  }

  private onStats(stats: SchedulerStats): void {
    this.limit = stats.limit;
    this.cellsUsed = stats.cellsUsed;
    this.options.onStats?.(stats);
  }

  private onMessage(message: AnswerMessage): void {
    const run = this.running.get(message.id);
    if (!run) return;
    const { generation } = run;
    run.lastSign = performance.now();
    switch (message.type) {
      case 'started':
        return generation.begin(message.inputTokens);
      case 'prefilled':
        return;
      case 'delta':
        return generation.add(message);
      case 'done':
        generation.finish(message.finishReason, message.usage, message.reasoningClosed);
        this.options.onDone?.(message);
        this.meanSeconds = 0.9 * this.meanSeconds + (0.1 * (run.lastSign - run.startedAt)) / 1000;
        break;
      case 'refused':
        generation.fail(tooLong(message.inputTokens, this.info.contextSize));
        break;
      case 'failed':
        generation.fail(this.failure(message, generation.request));
        break;
      case 'cancelled':
        break;
    }
    this.running.delete(message.id);
  }

  private failure({ reason, message }: AnswerMessage & { type: 'failed' }, request: GenerationRequest): ApiError {
    if (reason === 'bad_grammar') {
      const param = request.grammar === undefined ? 'tools' : 'response_format';
      const schema = `The schema of ${param} can not be followed by this engine.`;
      return new ApiError(400, 'invalid_request', schema, { param });
    }
    this.options.log.error({ reason: message }, 'an answer failed in the engine');
    return reason === 'out_of_memory'
      ? new ApiError(503, 'out_of_memory', 'The engine has too little memory for this answer now. Try again.', {
          retryAfter: 5,
        })
      : new ApiError(500, 'engine_error', 'The engine failed to answer.');
  }

  private onDeath(how: string, outOfMemory: boolean): void {
    this.options.onDeath?.(outOfMemory);
    this.cellsUsed = 0;
    for (const { generation } of this.running.values())
      generation.fail(
        new ApiError(503, 'engine_died', `The engine died while it answered (${how.split(':')[0]}). Try again.`, {
          retryAfter: 1,
        }),
      );
    this.running.clear();
  }

  private endStalled(now: number): void {
    if (this.process.failures >= GIVE_UP_AFTER)
      for (const generation of this.waiting.drain())
        generation.fail(
          new ApiError(503, 'engine_unavailable', `No answers can be given now: ${this.process.reason}.`, {
            retryAfter: 10,
          }),
        );
    const { stallSeconds } = this.options;
    const signs = [...this.running.values()].map(({ lastSign }) => (now - lastSign) / 1000);
    const ready = this.process.state === 'ready';
    if (!hangs({ ready, signs, silence: this.process.silence(now), stallSeconds })) return;
    this.options.log.error({ seconds: stallSeconds }, 'the engine shows no sign of life; it is ended');
    this.process.kill();
  }
}

/** However soon an engine is to be given up, it may take so many seconds to begin. */
const SLOWEST_BEGIN = 60;

/**
 * Whether an engine shows no sign of life. Of requests the newest sign counts, as one may well wait while others are
 * read; of one that loads its model everything that it says.
 * @param engine `signs`: seconds since the last one, of each request; `silence`: since it said anything at all
 */
export function hangs(engine: {
  ready: boolean;
  signs: readonly number[];
  silence: number;
  stallSeconds: number;
}): boolean {
  const { ready, signs, silence, stallSeconds } = engine;
  if (!ready) return silence > Math.max(stallSeconds, SLOWEST_BEGIN);
  return signs.length > 0 && Math.min(...signs) > stallSeconds;
}

const tooLong = (inputTokens: number, contextSize: number): ApiError =>
  new ApiError(
    400,
    'context_length_exceeded',
    `The messages have at least ${inputTokens} tokens; this model's context holds ${contextSize} for messages and ` +
      'answer together. Shorten the messages.',
    { param: 'messages' },
  );

const queueTimeout = (seconds: number): ApiError =>
  new ApiError(503, 'queue_timeout', `No place fell free within ${seconds} s. Try again in a moment.`, {
    retryAfter: 5,
  });

/** Seconds until a place in the queue is likely to be free: 1 to 60. */
export function retryAfter(waiting: number, slots: number, meanSeconds: number): number {
  return Math.min(60, Math.max(1, Math.ceil((meanSeconds * Math.max(waiting, 1)) / slots / 4)));
}
