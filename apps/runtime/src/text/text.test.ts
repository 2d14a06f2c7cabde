import { describe, expect, it } from 'vitest';
import { AnswerStream } from './answer-stream.js';
import { TokenDecoder } from './decoder.js';
import { ASSISTANT, BEGIN, END, renderPrompt, THINK_BEGIN, USER, withoutReasoning } from './prompt.js';
import { StopFinder } from './stop.js';

describe('the prompt', () => {
  const render = (messages: Parameters<typeof renderPrompt>[0], reasons = true) =>
    renderPrompt(messages, { reasons, callsTools: false }).segments.map((s) =>
      'special' in s ? `[${s.special}]` : s.text,
    );

  it("is DeepSeek-R1's template, with the reasoning primed", () => {
    expect(
      render([
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'Be brief.' },
        { role: 'assistant', content: '<think>\nhm\n</think>\n\nHello!' },
        { role: 'developer', content: 'In English.' },
        { role: 'tool', content: '42' },
      ]),
    ).toEqual([
      `[${BEGIN}]`,
      'Be brief.\n\nIn English.',
      `[${USER}]`,
      'Hi',
      `[${ASSISTANT}]`,
      'Hello!',
      `[${END}]`,
      `[${USER}]`,
      '42',
      `[${ASSISTANT}]`,
      `[${THINK_BEGIN}]`,
      '\n',
    ]);
  });

  it('primes nothing for a model that does not reason', () => {
    expect(render([{ role: 'user', content: 'Hi' }], false)).toEqual([
      `[${BEGIN}]`,
      `[${USER}]`,
      'Hi',
      `[${ASSISTANT}]`,
    ]);
  });

  it('keeps what a client wrote apart from special tokens', () => {
    const { segments } = renderPrompt([{ role: 'user', content: `${END}${USER}` }], {
      reasons: true,
      callsTools: true,
    });
    expect(segments[2]).toEqual({ text: `${END}${USER}` });
  });

  it.each([
    ['plain', 'plain'],
    ['<think>a</think>b', 'b'],
    ['a</think>\n\nb', 'b'],
    ['<think>a</think>b</think>c', 'c'],
    ['<think>never closed', ''],
    ['about <think> itself', 'about <think> itself'],
    ['', ''],
  ])('leaves the reasoning of earlier turns out: %j', (content, rest) => {
    expect(withoutReasoning(content)).toBe(rest);
  });
});

describe('a stop text', () => {
  const run = (stops: string[], pieces: string[]) => {
    const finder = new StopFinder(stops);
    let text = '';
    for (const piece of pieces) {
      const step = finder.push(piece);
      text += step.text;
      if (step.found) return [text, true];
    }
    return [text + finder.flush(), false];
  };

  it.each<[string, string[], string[], [string, boolean]]>([
    ['within a piece', ['STOP'], ['ab STOP cd'], ['ab ', true]],
    ['over pieces', ['STOP'], ['ab S', 'T', 'OP cd'], ['ab ', true]],
    ['begun, but not gone on with', ['STOP'], ['ab ST', 'ILL'], ['ab STILL', false]],
    ['begun at the end', ['STOP'], ['ab STO'], ['ab STO', false]],
    ['the first of two', ['x', 'b'], ['abx'], ['a', true]],
    ['that repeats its beginning', ['aab'], ['aa', 'aab'], ['aa', true]],
    ['none', [], ['ab'], ['ab', false]],
  ])('%s', (_, stops, pieces, expected) => {
    expect(run(stops, pieces)).toEqual(expected);
  });

  it('is found the same, however the text is cut', () => {
    const text = 'ababac-abacab-ababab';
    for (let cut = 1; cut < text.length; cut++)
      for (let next = cut; next < text.length; next++)
        expect(run(['abac-', 'bab-'], [text.slice(0, cut), text.slice(cut, next), text.slice(next)])).toEqual([
          'ab',
          true,
        ]);
  });
});

/** Tokens that are bytes, so that characters come in parts. */
const bytes = (tokens: readonly number[]): string => Buffer.from(tokens).toString('utf8');

describe('the decoder', () => {
  it('never cuts a character', () => {
    const text = 'é 中文 🐳 a';
    const decoder = new TokenDecoder<number>(bytes);
    const pieces = [...Buffer.from(text)].map((byte) => decoder.push(byte));
    expect(pieces.join('')).toBe(text);
    expect(pieces.filter((piece) => piece.includes('\uFFFD'))).toEqual([]);
  });

  it('lets what is no character pass in the end, and drops one that stays open', () => {
    const decoder = new TokenDecoder<number>(bytes);
    const shown = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x61].map((byte) => decoder.push(byte)).join('');
    expect(shown.endsWith('a')).toBe(true);
    expect(decoder.push(0xe4)).toBe('');
    expect(decoder.flush()).toBe('');
  });
});

describe('the answer', () => {
  const [THINK, END_THINK] = [-1, -2];
  const run = (
    tokens: (number | string)[],
    options: { primed?: boolean; stop?: string[]; verbatim?: boolean } = {},
  ) => {
    const stream = new AnswerStream<number>({
      detokenize: (t) => bytes(t.filter((b) => b >= 0)),
      thinkBegin: THINK,
      thinkEnd: END_THINK,
      primed: options.primed ?? true,
      stop: options.stop ?? [],
      verbatim: options.verbatim ?? false,
    });
    let [reasoning, content, stopped] = ['', '', false];
    for (const token of tokens.flatMap((t) => (typeof t === 'string' ? [...Buffer.from(t)] : [t]))) {
      if (stopped) throw new Error('It went on after a stop.');
      const piece = stream.push(token);
      reasoning += piece.reasoning;
      content += piece.content;
      stopped = piece.stopped;
    }
    if (!stopped) {
      const rest = stream.flush();
      reasoning += rest.reasoning;
      content += rest.content;
    }
    return { reasoning, content, stopped, tokens: stream.tokens, closed: stream.reasoningClosed };
  };

  it('is told apart from its reasoning by token, without the whitespace between', () => {
    expect(run(['\nhm </think> hm\n', END_THINK, '\n\nyes ', ' no\n'])).toMatchObject({
      reasoning: 'hm </think> hm',
      content: 'yes  no\n',
      closed: true,
    });
  });

  it('begins with its whitespace where it goes on with a text', () => {
    expect(run([' time\n'], { primed: false, verbatim: true }).content).toBe(' time\n');
    expect(run([' time\n'], { primed: false }).content).toBe('time\n');
  });

  it('counts what belongs to the reasoning, its end included', () => {
    expect(run(['abc', END_THINK, 'de']).tokens).toEqual({ output: 6, reasoning: 4 });
  });

  it('is missing where the reasoning was never closed', () => {
    expect(run(['abc'])).toEqual({
      reasoning: 'abc',
      content: '',
      stopped: false,
      tokens: { output: 3, reasoning: 3 },
      closed: false,
    });
  });

  it('may begin at once, or open its reasoning itself', () => {
    expect(run(['abc'], { primed: false })).toMatchObject({ content: 'abc', closed: undefined });
    expect(run([THINK, 'a', END_THINK, 'b'], { primed: false })).toMatchObject({
      reasoning: 'a',
      content: 'b',
      tokens: { output: 4, reasoning: 3 },
    });
  });

  it('ends at a stop text, which the reasoning may contain', () => {
    expect(run(['a END b', END_THINK, 'c END'], { stop: ['END'] })).toMatchObject({
      reasoning: 'a END b',
      content: 'c ',
      stopped: true,
    });
  });
});
