const OPEN = '<think>';
const CLOSE = '</think>';

/**
 * Tells the reasoning of one answer from the answer itself, as engines mix them: in a field of its own, or in the text
 * between `<think>` and `</think>`. R1's template primes `<think>`, so an end without a beginning makes reasoning of
 * all that came before it. Counts a token an event.
 */
export class Thoughts {
  readonly tokens = { reasoning: 0, content: 0 };
  readonly characters = { reasoning: 0, content: 0 };
  private said = { reasoning: '', content: '' };
  private reasons = false;
  private answers = false;
  /** Of the text: only space so far, or a part of `<think>`; in its reasoning; past it; without a beginning. */
  private state: 'start' | 'open' | 'closed' | 'plain' = 'start';
  /** The end of the text that may be the beginning of a tag. */
  private pending = '';

  /** @param kept characters of each text to keep; of a longer one the end */
  constructor(private readonly kept: number) {}

  get reasoning(): string {
    return this.state === 'open' ? this.said.reasoning + this.pending : this.said.reasoning;
  }

  get content(): string {
    return this.state === 'open' ? this.said.content : this.said.content + (this.kept > 0 ? this.pending : '');
  }

  /** Whether the reasoning ended; undefined where there was none. */
  get closed(): boolean | undefined {
    if (!this.reasons) return undefined;
    return this.state === 'closed' || this.answers;
  }

  /** Takes what one event said. `calls`: it calls a tool, which is no reasoning. */
  add(reasoning: string, content: string, calls: boolean): void {
    const before = this.characters.reasoning;
    const wasOpen = this.state === 'open';
    if (reasoning !== '') this.think(reasoning);
    if (content !== '') this.text(content);
    if (calls) this.answers = true;
    const reasoned = wasOpen || this.state === 'open' || this.characters.reasoning > before;
    if (reasoned) this.tokens.reasoning++;
    else this.tokens.content++;
  }

  private think(text: string): void {
    this.reasons = true;
    this.characters.reasoning += text.length;
    this.said.reasoning = this.keep(this.said.reasoning, text);
  }

  private say(text: string): void {
    if (text.trim() !== '') this.answers = true;
    this.characters.content += text.length;
    this.said.content = this.keep(this.said.content, text);
  }

  private text(text: string): void {
    // Reasoning that has a field of its own leaves no tags in the text.
    if (this.state === 'start' && this.reasons) this.state = 'closed';
    if (this.state === 'closed') return this.say(text);
    let all = this.pending + text;
    this.pending = '';
    if (this.state === 'start') {
      const begun = all.trimStart();
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) {
        // Space without end is no beginning.
        if (all.length < 1000) this.pending = all;
        return;
      }
      this.state = begun.startsWith(OPEN) ? 'open' : 'plain';
      if (this.state === 'open') {
        this.reasons = true;
        all = begun.slice(OPEN.length);
      }
    }
    const end = all.indexOf(CLOSE);
    const shown = end >= 0 ? all.slice(0, end) : all.slice(0, all.length - beginningOf(CLOSE, all));
    if (this.state === 'open') this.think(shown);
    else this.say(shown);
    if (end < 0) {
      this.pending = all.slice(shown.length);
      return;
    }
    if (this.state === 'plain') this.rethink();
    this.state = 'closed';
    this.say(all.slice(end + CLOSE.length).trimStart());
  }

  /** The end of a reasoning that was primed. */
  private rethink(): void {
    const { said, tokens, characters } = this;
    this.reasons = true;
    this.answers = false;
    this.said = { reasoning: this.keep(said.reasoning, said.content), content: '' };
    tokens.reasoning += tokens.content;
    tokens.content = 0;
    characters.reasoning += characters.content;
    characters.content = 0;
  }

  private keep(text: string, more: string): string {
    if (this.kept === 0) return '';
    const all = text + more;
    return all.length > 2 * this.kept ? all.slice(-this.kept) : all;
  }
}

/** Length of the longest end of `text` with which `word` begins. */
function beginningOf(word: string, text: string): number {
  for (let length = Math.min(word.length - 1, text.length); length > 0; length--)
    if (text.endsWith(word.slice(0, length))) return length;
  return 0;
}
