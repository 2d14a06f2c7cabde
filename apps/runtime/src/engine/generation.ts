import type { ApiError } from '../errors.js';
import type { ToolCallPiece } from '../text/tool-calls.js';
import type { AnswerLogprob, AnswerMessage, FinishReason, GenerationRequest, Usage } from './protocol.js';

export type GenerationEvent =
  /** The engine has taken it up, after `queued` seconds without a slot. */
  | { type: 'started'; inputTokens: number; queued: number }
  | ({ type: 'delta'; usage: Usage } & Said)
  | { type: 'done'; finishReason: FinishReason; usage: Usage; reasoningClosed: boolean | undefined };

/** What was said since. */
export interface Said {
  reasoning: string;
  content: string;
  logprobs: AnswerLogprob[];
  calls: ToolCallPiece[];
}

/**
 * One answer on its way from the engine to a client. Text that a slow client has not taken yet is joined to one piece,
 * so that what waits is never more than the answer itself, and the engine never waits for anybody.
 */
export class Generation implements AsyncIterable<GenerationEvent> {
  private readonly createdAt = performance.now();
  private queued = 0;
  /** Tokens so far. */
  usage: Usage = { input: 0, output: 0, reasoning: 0 };
  private started: GenerationEvent | undefined;
  private delta: Said | undefined;
  private readonly enders: (() => void)[] = [];
  private end: GenerationEvent | ApiError | undefined;
  private wake: (() => void) | undefined;

  constructor(
    readonly id: number,
    readonly request: GenerationRequest,
    private readonly onCancel: (generation: Generation) => void,
  ) {}

  /** Calls when it has ended, in whatever way. */
  onEnd(call: () => void): void {
    if (this.ended) call();
    else this.enders.push(call);
  }

  get ended(): boolean {
    return this.end !== undefined;
  }

  /** Nobody wants the answer any more: its place is given to another. Iterating ends with `reason`. */
  cancel(reason: ApiError): void {
    if (this.ended) return;
    this.fail(reason);
    this.onCancel(this);
  }

  /** What follows is for the engine. A slot was found. */
  dispatched(): void {
    this.queued = (performance.now() - this.createdAt) / 1000;
  }

  begin(inputTokens: number): void {
    this.usage = { ...this.usage, input: inputTokens };
    this.started = { type: 'started', inputTokens, queued: this.queued };
    this.notify();
  }

  add(said: Omit<AnswerMessage & { type: 'delta' }, 'type' | 'id'>): void {
    const { reasoning, content, output, reasoningTokens, logprobs = [], calls = [] } = said;
    this.usage = { ...this.usage, output, reasoning: reasoningTokens };
    if (this.ended || (reasoning === '' && content === '' && logprobs.length === 0 && calls.length === 0)) return;
    this.delta ??= { reasoning: '', content: '', logprobs: [], calls: [] };
    this.delta.reasoning += reasoning;
    this.delta.content += content;
    this.delta.logprobs.push(...logprobs);
    this.delta.calls.push(...calls);
    this.notify();
  }

  finish(finishReason: FinishReason, usage: Usage, reasoningClosed: boolean | undefined): void {
    if (this.ended) return;
    this.usage = usage;
    this.settle({ type: 'done', finishReason, usage, reasoningClosed });
  }

  fail(error: ApiError): void {
    if (this.ended) return;
    this.settle(error);
  }

  /** @throws ApiError when it fails or is cancelled */
  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationEvent, void> {
    for (;;) {
      if (this.end instanceof Error) throw this.end;
      if (this.started) {
        const event = this.started;
        this.started = undefined;
        yield event;
      } else if (this.delta) {
        const delta = this.delta;
        this.delta = undefined;
        yield { type: 'delta', ...delta, usage: this.usage };
      } else if (this.end) {
        yield this.end;
        return;
      } else await new Promise<void>((done) => (this.wake = done));
    }
  }

  private settle(end: GenerationEvent | ApiError): void {
    this.end = end;
    for (const call of this.enders.splice(0)) call();
    this.notify();
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
