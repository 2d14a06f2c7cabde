import type { ApiError } from '../errors.js';
import type { FinishReason, GenerationRequest, Usage } from './protocol.js';

export type GenerationEvent =
  /** The engine has taken it up, after `queued` seconds without a slot. */
  | { type: 'started'; inputTokens: number; queued: number }
  | { type: 'delta'; reasoning: string; content: string; usage: Usage }
  | { type: 'done'; finishReason: FinishReason; usage: Usage; reasoningClosed: boolean | undefined };

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
  private delta: { reasoning: string; content: string } | undefined;
  private end: GenerationEvent | ApiError | undefined;
  private wake: (() => void) | undefined;

  constructor(
    readonly id: number,
    readonly request: GenerationRequest,
    private readonly onCancel: (generation: Generation) => void,
  ) {}

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

  add(reasoning: string, content: string, output: number, reasoningTokens: number): void {
    this.usage = { ...this.usage, output, reasoning: reasoningTokens };
    if (this.ended || (reasoning === '' && content === '')) return;
    this.delta = {
      reasoning: (this.delta?.reasoning ?? '') + reasoning,
      content: (this.delta?.content ?? '') + content,
    };
    this.notify();
  }

  finish(finishReason: FinishReason, usage: Usage, reasoningClosed: boolean | undefined): void {
    if (this.ended) return;
    this.usage = usage;
    this.end = { type: 'done', finishReason, usage, reasoningClosed };
    this.notify();
  }

  fail(error: ApiError): void {
    if (this.ended) return;
    this.end = error;
    this.notify();
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
        const { reasoning, content } = this.delta;
        this.delta = undefined;
        yield { type: 'delta', reasoning, content, usage: this.usage };
      } else if (this.end) {
        yield this.end;
        return;
      } else await new Promise<void>((done) => (this.wake = done));
    }
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
