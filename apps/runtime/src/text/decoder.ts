const REPLACEMENT = '\uFFFD';
/** A character has at most four bytes, so one that is still open after so many tokens is none. */
const LONGEST = 8;

/**
 * Turns tokens into text without ever cutting a character: byte-level tokens may end inside one, and are then held
 * back until the rest has come.
 */
export class TokenDecoder<T> {
  private pending: T[] = [];
  private before: T[] = [];

  /** @param detokenize text of tokens; the second argument are those before, on which a leading space may depend */
  constructor(private readonly detokenize: (tokens: readonly T[], before: readonly T[]) => string) {}

  get holding(): boolean {
    return this.pending.length > 0;
  }

  push(token: T): string {
    this.pending.push(token);
    const text = this.detokenize(this.pending, this.before);
    return text.endsWith(REPLACEMENT) && this.pending.length < LONGEST ? '' : this.take(text);
  }

  /** What is held back, once nothing more comes; a character that stayed open is left out. */
  flush(): string {
    if (this.pending.length === 0) return '';
    return this.take(this.detokenize(this.pending, this.before)).replace(/\uFFFD+$/, '');
  }

  private take(text: string): string {
    this.before = [...this.before, ...this.pending].slice(-LONGEST);
    this.pending = [];
    return text;
  }
}
