import { shortText } from '../receive/attributes.js';
import type { Attributes, AttributeValue } from '../receive/span.js';

/** The texts of one answer; `null` where the span does not carry them. */
export interface Content {
  reasoning: string | null;
  answer: string | null;
}

const NONE: Content = { reasoning: null, answer: null };

type Fields = { [key: string]: AttributeValue };

/**
 * Finds the answer in a span: `gen_ai.output.messages`, OpenLLMetry's `gen_ai.completion.0.*`, `gen_ai.completion`,
 * OpenInference's `llm.output_messages` and `output.value`. Of several choices the first is taken.
 */
export function contentOf(attributes: Attributes): Content {
  return (
    fromMessages(parsed(attributes.get('gen_ai.output.messages'))) ??
    fromFields(attributes, 'gen_ai.completion.0.') ??
    fromMessages(parsed(attributes.get('gen_ai.completion'))) ??
    fromFields(attributes, 'llm.completions.0.') ??
    fromFields(attributes, 'llm.output_messages.0.message.') ??
    fromMessages(parsed(attributes.get('llm.output_messages'))) ??
    fromValue(parsed(attributes.get('output.value'))) ??
    plain(attributes.get('gen_ai.completion')) ??
    plain(attributes.get('output.value')) ??
    NONE
  );
}

/** JSON in a text; a value that is structured already, as it is; `undefined` for everything else. */
function parsed(value: AttributeValue | undefined): AttributeValue | undefined {
  if (typeof value !== 'string') return value;
  if (!/^\s*[[{]/.test(value)) return undefined;
  try {
    return JSON.parse(value) as AttributeValue;
  } catch {
    return undefined;
  }
}

const isFields = (value: AttributeValue | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A list of messages, of which the first of the assistant's counts, or one message. */
function fromMessages(value: AttributeValue | undefined): Content | undefined {
  const messages = (Array.isArray(value) ? value : [value]).filter(isFields);
  const message = messages.find(({ role }) => role === undefined || role === 'assistant');
  return message && fromMessage(isFields(message.message) ? message.message : message);
}

function fromMessage(message: Fields): Content | undefined {
  const parts = Array.isArray(message.parts) ? message.parts : Array.isArray(message.content) ? message.content : null;
  if (parts !== null) {
    const content = fromParts(parts.filter(isFields));
    return { ...content, reasoning: content.reasoning ?? reasoningOf(message) };
  }
  const reasoning = reasoningOf(message);
  if (typeof message.content === 'string') return { reasoning, answer: message.content };
  return reasoning === null ? undefined : { reasoning, answer: '' };
}

const reasoningOf = (message: Fields): string | null => text(message.reasoning_content ?? message.reasoning);

/** Parts of a message: `{"type": "text" | "reasoning", "content": "…"}`; other makers write the text elsewhere. */
function fromParts(parts: readonly Fields[]): Content {
  const of = (types: readonly string[]): string[] =>
    parts.flatMap((part) => {
      const found = types.includes(shortText(part.type) ?? '')
        ? (text(part.content) ?? text(part.text) ?? text(part.thinking))
        : null;
      return found === null ? [] : [found];
    });
  const reasoning = of(['reasoning', 'thinking']);
  return {
    reasoning: reasoning.length === 0 ? null : reasoning.join('\n'),
    // Parts without a text among them are an answer without text.
    answer: of(['text', 'output_text']).join('\n'),
  };
}

/** Attributes that spell a message out: `<prefix>content`, `<prefix>contents.0.message_content.text`. */
function fromFields(attributes: Attributes, prefix: string): Content | undefined {
  const reasoning = text(attributes.get(`${prefix}reasoning_content`) ?? attributes.get(`${prefix}reasoning`));
  const answer = text(attributes.get(`${prefix}content`));
  if (answer !== null) return { reasoning, answer };
  const parts: Fields[] = [];
  for (let i = 0; i < 64; i++) {
    const type = attributes.get(`${prefix}contents.${i}.message_content.type`);
    if (type === undefined) break;
    parts.push({ type, text: attributes.get(`${prefix}contents.${i}.message_content.text`) ?? null });
  }
  if (parts.length > 0) return fromParts(parts);
  return reasoning === null ? undefined : { reasoning, answer: '' };
}

/** An engine's raw answer in OpenAI's form. */
function fromValue(value: AttributeValue | undefined): Content | undefined {
  if (!isFields(value) || !Array.isArray(value.choices)) return undefined;
  const choice = value.choices[0];
  if (!isFields(choice)) return undefined;
  if (isFields(choice.message)) return fromMessage(choice.message);
  return plain(choice.text);
}

const plain = (value: AttributeValue | undefined): Content | undefined =>
  typeof value === 'string' ? { reasoning: null, answer: value } : undefined;

const text = (value: AttributeValue | undefined): string | null => (typeof value === 'string' ? value : null);
