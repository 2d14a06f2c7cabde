import { TokenDecoder } from './decoder.js';
import { StopFinder } from './stop.js';
import { ARGS_END } from './tools.js';

/** A piece of the call of that index: its name comes first and once, then its arguments bit by bit. */
export interface ToolCallPiece {
  index: number;
  name?: string;
  args: string;
}

/** The tokens of a model that can call tools. */
export interface ToolTokens<T> {
  callsBegin: T;
  callBegin: T;
  separator: T;
  callEnd: T;
  callsEnd: T;
}

type State = 'answer' | 'between' | 'kind' | 'name' | 'args' | 'over';

const FENCE = /^\s*(?:```(?:json)?[^\S\n]*\n)?/;

/** Reads calls of tools from an answer's tokens. What stands between the calls is not told. */
export class ToolCallReader<T> {
  private state: State = 'answer';
  private decoder: TokenDecoder<T>;
  private end = new StopFinder([ARGS_END]);
  private head = '';
  private count = 0;

  constructor(
    private readonly tokens: ToolTokens<T>,
    private readonly detokenize: (tokens: readonly T[], before: readonly T[]) => string,
  ) {
    this.decoder = new TokenDecoder(detokenize);
  }

  /** Calls whose name is known. */
  get calls(): number {
    return this.count;
  }

  /** Calls have begun: the answer's text is over. */
  get begun(): boolean {
    return this.state !== 'answer';
  }

  /** A call's name and arguments are what comes next. */
  get within(): boolean {
    return this.state === 'name' || this.state === 'args';
  }

  /** All calls are made, nothing may follow. */
  get over(): boolean {
    return this.state === 'over';
  }

  /** No call is open: one was ended last. */
  get between(): boolean {
    return this.state === 'between' && this.count > 0;
  }

  /** Takes a token that belongs to the calls: the one that begins them, and all after it. */
  push(token: T): ToolCallPiece[] {
    const { callsBegin, callBegin, separator, callEnd, callsEnd } = this.tokens;
    if (token === callsBegin) return this.enter('between');
    if (token === callBegin) return this.enter('kind');
    if (token === separator && this.state === 'kind') return this.enter('name');
    if (token === callEnd) return this.enter('between');
    if (token === callsEnd) return this.enter('over');
    return this.within ? this.take(this.decoder.push(token)) : [];
  }

  /** What was held back, once nothing more comes. */
  flush(): ToolCallPiece[] {
    if (!this.within) return [];
    const pieces = this.take(this.decoder.flush());
    const args = this.state === 'args' ? this.end.flush() : '';
    return args === '' ? pieces : [...pieces, { index: this.count - 1, args }];
  }

  private enter(state: State): ToolCallPiece[] {
    const pieces = this.flush();
    this.state = state;
    this.head = '';
    this.decoder = new TokenDecoder(this.detokenize);
    this.end = new StopFinder([ARGS_END]);
    return pieces;
  }

  private take(text: string): ToolCallPiece[] {
    if (this.state === 'name') {
      this.head += text;
      const line = this.head.indexOf('\n');
      const fence = line < 0 ? null : FENCE.exec(this.head.slice(line));
      // A fence may be cut: its line must be whole, or something else must have begun.
      const rest = fence === null ? '' : this.head.slice(line + fence[0].length);
      if (fence === null || rest === '' || '```json'.startsWith(rest.trimEnd())) return [];
      const name = this.head.slice(0, line).trim();
      this.state = 'args';
      return [{ index: this.count++, name, args: this.end.push(rest).text }];
    }
    const args = this.end.push(text).text;
    return args === '' ? [] : [{ index: this.count - 1, args }];
  }
}
