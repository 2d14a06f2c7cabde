import type { LlamaModel, Token } from 'node-llama-cpp';
import { BEGIN, type Segment } from '../text/prompt.js';

/** Text of so many characters a token is surely too long for the context, unless its tokens are unusually long. */
const CHARACTERS_A_TOKEN = 16;

/**
 * The tokens of a prompt. Special tokens come from us alone: what a client wrote never becomes one.
 * A text that can not fit is not read to its end (tokenizing megabytes would hold up everybody else's answers):
 * then the result is merely longer than `limit`.
 */
export function tokenizePrompt(model: LlamaModel, prompt: readonly Segment[], limit: number): Token[] {
  const tokens: Token[] = [];
  for (const segment of prompt) {
    if (tokens.length > limit) break;
    if ('text' in segment) append(tokens, tokenizeText(model, segment.text, limit));
    else if (segment.special === BEGIN) {
      const { bos } = model.tokens;
      if (bos !== null) tokens.push(bos);
    } else append(tokens, model.tokenize(segment.special, true));
  }
  return tokens;
}

function tokenizeText(model: LlamaModel, text: string, limit: number): Token[] {
  const enough = limit * CHARACTERS_A_TOKEN;
  if (text.length > enough) {
    const beginning = model.tokenize(text.slice(0, enough), false);
    if (beginning.length > limit) return beginning;
  }
  return model.tokenize(text, false);
}

/** One by one: spreading a hundred thousand tokens into `push` would overflow the stack. */
function append(tokens: Token[], more: readonly Token[]): void {
  for (const token of more) tokens.push(token);
}
