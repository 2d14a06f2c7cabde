import { TokenDecoder } from './decoder.js';
import { StopFinder } from './stop.js';

export interface Piece {
  reasoning: string;
  content: string;
}

export interface AnswerOptions<T> {
  detokenize: (tokens: readonly T[], before: readonly T[]) => string;
  /** The tokens that open and close reasoning; undefined for a model that has none. */
  thinkBegin: T | undefined;
  thinkEnd: T | undefined;
  /** The prompt ends with `<think>`. */
  primed: boolean;
  /** All of it is told as it comes: a text that is gone on with may well begin with whitespace. */
  verbatim?: boolean;
  /** Texts that end the answer; they do not apply to the reasoning. */
  stop: readonly string[];
}

/**
 * Reasoning and answer, told apart by token, not by text: an answer may well speak about `</think>`. Whitespace
 * between the two belongs to neither.
 */
export class AnswerStream<T> {
  private readonly decoder: TokenDecoder<T>;
  private readonly stop: StopFinder;
  private inReasoning: boolean;
  private count = 0;
  private inReasoningCount = 0;
  private whitespace = '';
  private begun = false;
  private closed = false;

  constructor(private readonly options: AnswerOptions<T>) {
    this.decoder = new TokenDecoder(options.detokenize);
    this.stop = new StopFinder(options.stop);
    this.inReasoning = options.primed;
    this.begun = options.verbatim ?? false;
  }

  /** Tokens taken, and those of them that belong to the reasoning, its end included. */
  get tokens(): { output: number; reasoning: number } {
    return { output: this.count, reasoning: this.inReasoningCount };
  }

  /** The next token belongs to the reasoning. */
  get reasoning(): boolean {
    return this.inReasoning;
  }

  /** Text of tokens that were taken is held back, as it may be half a character or the beginning of a stop text. */
  get holding(): boolean {
    return this.decoder.holding || this.stop.holding;
  }

  /** Whether `</think>` was said; undefined where no reasoning was begun. */
  get reasoningClosed(): boolean | undefined {
    return this.closed ? true : this.inReasoning ? false : undefined;
  }

  /** Takes the next token. `stopped`: a stop text was found, and nothing more may follow. */
  push(token: T): Piece & { stopped: boolean } {
    this.count++;
    if (this.inReasoning) this.inReasoningCount++;
    if (this.inReasoning && token === this.options.thinkEnd) {
      const piece = this.reasoned(this.decoder.flush());
      this.inReasoning = false;
      this.closed = true;
      this.begun = false;
      this.whitespace = '';
      return { ...piece, stopped: false };
    }
    if (token === this.options.thinkBegin && this.count === 1 && !this.options.primed) {
      this.inReasoning = true;
      this.inReasoningCount = 1;
      return { reasoning: '', content: '', stopped: false };
    }
    const text = this.decoder.push(token);
    return this.inReasoning ? { ...this.reasoned(text), stopped: false } : this.content(text);
  }

  /** Takes a token that says nothing here: the one that ends the answer, or one of a call of a tool. */
  pass(): void {
    this.count++;
    if (this.inReasoning) this.inReasoningCount++;
  }

  /** What was held back, once nothing more comes. */
  flush(): Piece {
    const text = this.decoder.flush();
    if (this.inReasoning) return this.reasoned(text);
    const { content, stopped } = this.content(text);
    return { reasoning: '', content: stopped ? content : content + this.stop.flush() };
  }

  /** Leading whitespace is dropped, trailing whitespace waits for what follows. */
  private reasoned(text: string): Piece {
    const all = this.begun ? this.whitespace + text : text.trimStart();
    const shown = all.trimEnd();
    this.whitespace = all.slice(shown.length);
    this.begun ||= shown !== '';
    return { reasoning: shown, content: '' };
  }

  private content(text: string): Piece & { stopped: boolean } {
    const all = this.begun ? text : text.trimStart();
    this.begun ||= all !== '';
    const { text: shown, found } = this.stop.push(all);
    return { reasoning: '', content: shown, stopped: found };
  }
}
