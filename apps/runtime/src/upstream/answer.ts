import type { Usage } from '../engine/protocol.js';
import { UpstreamFault } from './fault.js';
import { Thoughts } from './thoughts.js';

/** Characters of an answer that are kept for its span; of a longer one the end. */
const KEPT = 2 ** 20;

interface Choice {
  index?: unknown;
  finish_reason?: unknown;
  text?: unknown;
  delta?: unknown;
  message?: unknown;
}
interface Said {
  content?: unknown;
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: unknown;
}
interface Body {
  id?: unknown;
  model?: unknown;
  choices?: unknown;
  usage?: unknown;
  error?: unknown;
}

/** What became known of an answer. */
export type Step =
  /** Text or a call of a tool: a token, or some. */
  | 'token'
  /** Nothing but usage. */
  | 'usage'
  /** `[DONE]`. */
  | 'done'
  | 'other';

/**
 * Reads an answer on its way through: who said it, how many tokens, what is reasoning and what is answer, how it ended.
 * Nothing of it is changed.
 */
export class Answer {
  id: string | undefined;
  model: string | undefined;
  /** By choice. */
  readonly finishReasons: string[] = [];
  /** `[DONE]` was said. */
  done = false;
  private inPieces = true;
  private reported: { input: number; output: number; reasoning: number | undefined } | undefined;
  private readonly thoughts = new Map<number, Thoughts>();

  /** @param keepText false where nobody will read it */
  constructor(private readonly keepText: boolean) {}

  /**
   * Takes the data of one event of a stream.
   * @throws UpstreamFault where it is none
   * @throws SaidError where it is an error
   */
  event(data: string): Step {
    if (data === '[DONE]') {
      this.done = true;
      return 'done';
    }
    return this.take(parse(data), 'delta');
  }

  /**
   * Takes a whole answer.
   * @throws UpstreamFault where it is none
   * @throws SaidError where it is an error
   */
  whole(text: string): void {
    const body = parse(text);
    if (!Array.isArray(body.choices) && !body.error) throw invalid('it has no choices');
    this.inPieces = false;
    this.take(body, 'message');
    this.done = true;
  }

  /** It came to its end, whether or not `[DONE]` was said. */
  get finished(): boolean {
    return this.done || this.finishReasons.length > 0;
  }

  /** The upstream did not say how many tokens there were, so events were counted. */
  get counted(): boolean {
    return this.reported === undefined && this.inPieces;
  }

  /** Tokens so far; all zero where nothing is known. */
  get usage(): Usage {
    const unit = this.inPieces ? 'tokens' : 'characters';
    let [reasoning, content] = [0, 0];
    for (const thoughts of this.thoughts.values()) {
      reasoning += thoughts[unit].reasoning;
      content += thoughts[unit].content;
    }
    if (!this.reported)
      return this.inPieces
        ? { input: 0, output: reasoning + content, reasoning }
        : { input: 0, output: 0, reasoning: 0 };
    const { input, output, reasoning: told } = this.reported;
    // Where reasoning is not counted apart: its share of the events, or of the text where there were none. Some say 0
    // whatever there was (SGLang's issue 15660).
    const share = reasoning === 0 ? 0 : reasoning / (reasoning + content);
    return { input, output, reasoning: told || Math.round(output * share) };
  }

  /** The first choice: its texts, and whether its reasoning ended; undefined where there was none. */
  get text(): { reasoning: string; content: string; closed: boolean | undefined } {
    const first = this.thoughts.get(0);
    return first
      ? { reasoning: first.reasoning, content: first.content, closed: first.closed }
      : { reasoning: '', content: '', closed: undefined };
  }

  private take(body: Body, part: 'delta' | 'message'): Step {
    if (body.error !== undefined && body.error !== null) throw saidError(body.error);
    if (typeof body.id === 'string' && body.id !== '') this.id ??= body.id.slice(0, 200);
    if (typeof body.model === 'string' && body.model !== '') this.model ??= body.model.slice(0, 200);
    const hasUsage = this.takeUsage(body.usage);
    const choices = Array.isArray(body.choices) ? (body.choices as Choice[]) : [];
    let token = false;
    for (const choice of choices)
      if (typeof choice === 'object' && choice !== null) token = this.choice(choice, part) || token;
    if (token) return 'token';
    return hasUsage && choices.length === 0 ? 'usage' : 'other';
  }

  private choice(choice: Choice, part: 'delta' | 'message'): boolean {
    const index = typeof choice.index === 'number' ? choice.index : 0;
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '')
      this.finishReasons[Number.isInteger(index) && index >= 0 && index < 128 ? index : 0] = choice.finish_reason.slice(
        0,
        50,
      );
    const said = (choice[part] ?? {}) as Said;
    const reasoning = textOf(said.reasoning_content) || textOf(said.reasoning);
    const content = textOf(said.content) || textOf(choice.text);
    const calls = Array.isArray(said.tool_calls) && said.tool_calls.length > 0;
    if (reasoning === '' && content === '' && !calls) return false;
    let thoughts = this.thoughts.get(index);
    if (!thoughts) {
      if (this.thoughts.size >= 128) return true;
      this.thoughts.set(index, (thoughts = new Thoughts(this.keepText && index === 0 ? KEPT : 0)));
    }
    thoughts.add(reasoning, content, calls);
    return true;
  }

  private takeUsage(usage: unknown): boolean {
    if (typeof usage !== 'object' || usage === null) return false;
    const { prompt_tokens: input, completion_tokens: output } = usage as Record<string, unknown>;
    const details = (usage as Record<string, unknown>).completion_tokens_details as Record<string, unknown> | null;
    const told = details?.reasoning_tokens ?? (usage as Record<string, unknown>).reasoning_tokens;
    if (!isCount(input) && !isCount(output)) return false;
    this.reported = {
      input: isCount(input) ? input : 0,
      output: isCount(output) ? output : 0,
      reasoning: isCount(told) && told <= (isCount(output) ? output : 0) ? told : undefined,
    };
    return true;
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export const invalid = (why: string): UpstreamFault =>
  new UpstreamFault('invalid', `The upstream's answer can not be read: ${why}.`);

function parse(text: string): Body {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw invalid('it is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('it is no JSON object');
  return body;
}

/** An error where an answer was promised. */
export class SaidError extends Error {
  override readonly name = 'SaidError';

  constructor(
    readonly status: number,
    /** As an answer of that status would have it. */
    readonly body: string,
  ) {
    super('The upstream said an error.');
  }
}

function saidError(error: unknown): SaidError {
  const given = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : { message: error };
  const status = [given.code, given.status].map(Number).find((n) => Number.isInteger(n) && n >= 400 && n <= 599) ?? 500;
  return new SaidError(status, JSON.stringify({ error }));
}
