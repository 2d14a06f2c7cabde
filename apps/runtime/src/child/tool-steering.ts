import type { Token } from 'node-llama-cpp';
import type { ToolUse } from '../engine/protocol.js';
import { ToolCallReader, type ToolCallPiece, type ToolTokens } from '../text/tool-calls.js';
import { ARGS_END, KIND } from '../text/tools.js';

export interface SteeringOptions {
  use: ToolUse;
  tokens: ToolTokens<Token>;
  tokenize(text: string): readonly Token[];
  detokenize(tokens: readonly Token[], before: readonly Token[]): string;
  isEnd(token: Token): boolean;
  /** A new state of the grammar of one call. */
  grammar(): object;
}

/**
 * Sees to it that calls of tools are in order: whatever the model would say, what stands around a call is DeepSeek's
 * form, and a call's name and arguments follow the grammar of the tools.
 */
export class ToolSteering {
  private readonly reader: ToolCallReader<Token>;
  /** Tokens that come next, whatever is chosen. */
  private next: Token[] = [];
  private current: object | undefined;

  constructor(private readonly options: SteeringOptions) {
    this.reader = new ToolCallReader(options.tokens, (tokens, before) => options.detokenize(tokens, before));
    if (options.use.required) this.next.push(options.tokens.callsBegin);
  }

  get called(): boolean {
    return this.reader.calls > 0;
  }

  get begun(): boolean {
    return this.reader.begun;
  }

  get over(): boolean {
    return this.reader.over;
  }

  /** The state of the grammar that the next token must follow, if any. */
  get state(): object | undefined {
    return this.next.length === 0 && this.reader.within ? this.current : undefined;
  }

  /** @returns the token that is said, which may be another than was chosen */
  steer(chosen: Token): Token {
    const { tokens, isEnd, detokenize } = this.options;
    const given = this.next.shift();
    if (given !== undefined) return given;
    if (this.reader.within) {
      // The grammar came to its end, where nothing else can be chosen.
      if (!isEnd(chosen)) return chosen;
      this.next.push(...this.options.tokenize(ARGS_END), tokens.callEnd);
      return this.next.shift()!;
    }
    if (!this.reader.between || chosen === tokens.callBegin || chosen === tokens.callsEnd) return chosen;
    return detokenize([chosen], []).trim() === '' && !isEnd(chosen) ? chosen : tokens.callsEnd;
  }

  /** Whether a token belongs to the calls, not to the answer's text. */
  takes(token: Token): boolean {
    return this.reader.begun || token === this.options.tokens.callsBegin;
  }

  push(token: Token): ToolCallPiece[] {
    const { tokens, use } = this.options;
    const pieces = this.reader.push(token);
    if (token === tokens.callsBegin) this.next.push(tokens.callBegin);
    else if (token === tokens.callBegin && this.next.length === 0)
      this.next.push(...this.options.tokenize(KIND), tokens.separator);
    else if (token === tokens.separator) this.current = this.options.grammar();
    else if (token === tokens.callEnd && !use.parallel) this.next.push(tokens.callsEnd);
    return pieces;
  }

  flush(): ToolCallPiece[] {
    return this.reader.flush();
  }
}
