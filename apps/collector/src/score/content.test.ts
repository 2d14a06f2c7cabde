import { describe, expect, it } from 'vitest';
import type { AttributeValue } from '../receive/span.js';
import { contentOf } from './content.js';

const content = (attributes: Record<string, AttributeValue>) => contentOf(new Map(Object.entries(attributes)));
const json = (value: unknown) => JSON.stringify(value);

describe('contentOf', () => {
  const parts = [
    { type: 'reasoning', content: 'why' },
    { type: 'text', content: 'because' },
    { type: 'text', content: 'so' },
  ];

  it.each<[string, Record<string, AttributeValue>, string | null, string | null]>([
    ['messages', { 'gen_ai.output.messages': json([{ role: 'assistant', parts }]) }, 'why', 'because\nso'],
    ['messages that are no text', { 'gen_ai.output.messages': [{ role: 'assistant', parts }] }, 'why', 'because\nso'],
    [
      'the first of several',
      { 'gen_ai.output.messages': json([{ parts }, { parts: [{ type: 'text', content: 'other' }] }]) },
      'why',
      'because\nso',
    ],
    ['a call of a tool', { 'gen_ai.output.messages': json([{ parts: [{ type: 'tool_call', name: 'f' }] }]) }, null, ''],
    [
      "OpenAI's form",
      { 'gen_ai.output.messages': json([{ role: 'assistant', content: 'a', reasoning_content: 'r' }]) },
      'r',
      'a',
    ],
    ['OpenLLMetry', { 'gen_ai.completion.0.content': 'a', 'gen_ai.completion.1.content': 'b' }, null, 'a'],
    ['OpenLLMetry, older', { 'llm.completions.0.content': 'a' }, null, 'a'],
    ['an event', { 'gen_ai.completion': 'a' }, null, 'a'],
    ['an event with JSON', { 'gen_ai.completion': json([{ role: 'assistant', content: 'a' }]) }, null, 'a'],
    ['OpenInference', { 'llm.output_messages.0.message.content': 'a' }, null, 'a'],
    [
      'OpenInference by parts',
      {
        'llm.output_messages.0.message.contents.0.message_content.type': 'reasoning',
        'llm.output_messages.0.message.contents.0.message_content.text': 'r',
        'llm.output_messages.0.message.contents.1.message_content.type': 'text',
        'llm.output_messages.0.message.contents.1.message_content.text': 'a',
      },
      'r',
      'a',
    ],
    ['OpenInference as a list', { 'llm.output_messages': json([{ message: { content: 'a' } }]) }, null, 'a'],
    [
      'a raw answer',
      { 'output.value': json({ choices: [{ message: { content: 'a', reasoning_content: 'r' } }] }) },
      'r',
      'a',
    ],
    ['a raw completion', { 'output.value': json({ choices: [{ text: 'a' }] }) }, null, 'a'],
    ['plain text', { 'output.value': 'a' }, null, 'a'],
    ['an answer that is JSON', { 'output.value': '{"x":1}' }, null, '{"x":1}'],
    ['reasoning alone', { 'gen_ai.output.messages': json([{ content: null, reasoning: 'r' }]) }, 'r', ''],
    ['nothing', {}, null, null],
    ['a message cut short', { 'gen_ai.output.messages': '[{"role":"assistant","parts":[{"ty' }, null, null],
    ['something else', { 'gen_ai.output.messages': json([1, null, 'x']) }, null, null],
    [
      'an odd message',
      { 'gen_ai.output.messages': json([{ role: 'assistant', parts: [null, { type: {} }] }]) },
      null,
      '',
    ],
    ['a number', { 'gen_ai.completion.0.content': 5, 'output.value': 7 }, null, null],
  ])('%s', (_, attributes, reasoning, answer) => {
    expect(content(attributes)).toEqual({ reasoning, answer });
  });
});
