import { describe, expect, it } from 'vitest';
import { Answer, SaidError } from './answer.js';

describe('an answer on its way through', () => {
  const chunk = (delta: unknown, more: object = {}) =>
    JSON.stringify({ id: 'x', choices: [{ index: 0, delta, ...more }] });
  const read = (deltas: unknown[]) => {
    const answer = new Answer(true);
    for (const delta of deltas) answer.event(chunk(delta));
    return answer;
  };

  it.each<[string, unknown[], { reasoning: string; content: string; closed: boolean | undefined }, [number, number]]>([
    [
      'in DeepSeek’s field',
      [{ reasoning_content: 'a' }, { reasoning_content: 'b' }, { content: 'c' }],
      { reasoning: 'ab', content: 'c', closed: true },
      [2, 1],
    ],
    [
      'in vLLM’s newer field',
      [{ reasoning: 'a' }, { content: 'c' }],
      { reasoning: 'a', content: 'c', closed: true },
      [1, 1],
    ],
    [
      'in tags',
      [{ content: '<think>' }, { content: 'a' }, { content: '</think>' }, { content: '\n\nc' }],
      { reasoning: 'a', content: '\n\nc', closed: true },
      [3, 1],
    ],
    [
      'in tags that are cut',
      [{ content: '\n<th' }, { content: 'ink>a<' }, { content: 'b</thi' }, { content: 'nk>c' }],
      { reasoning: 'a<b', content: 'c', closed: true },
      [3, 1],
    ],
    [
      'primed: an end without a beginning',
      [{ content: 'a' }, { content: 'b</think>' }, { content: 'c' }],
      { reasoning: 'ab', content: 'c', closed: true },
      [2, 1],
    ],
    [
      'that never ends',
      [{ content: '<think>a' }, { content: 'b</th' }],
      { reasoning: 'ab</th', content: '', closed: false },
      [2, 0],
    ],
    [
      'that never ends, in its field',
      [{ reasoning_content: 'a' }],
      { reasoning: 'a', content: '', closed: false },
      [1, 0],
    ],
    [
      'that ends in a call of a tool',
      [{ reasoning_content: 'a' }, { tool_calls: [{}] }],
      { reasoning: 'a', content: '', closed: true },
      [1, 1],
    ],
    ['none', [{ content: 'a' }, { content: ' < b' }], { reasoning: '', content: 'a < b', closed: undefined }, [0, 2]],
    [
      'in its field, and tags in the text are text',
      [{ reasoning_content: 'a' }, { content: 'c </think> d' }],
      { reasoning: 'a', content: 'c </think> d', closed: true },
      [1, 1],
    ],
  ])('has its reasoning told apart: %s', (_, deltas, text, [reasoning, content]) => {
    const answer = read(deltas);
    expect(answer.text).toEqual(text);
    expect(answer.usage).toEqual({ input: 0, output: reasoning + content, reasoning });
    expect(answer.counted).toBe(true);
  });

  it('has the same reasoning, however its text is cut', () => {
    const text = '<think>a <b> </thin> c</think>d </think> e';
    for (let cut = 0; cut <= text.length; cut++)
      for (let next = cut; next <= text.length; next++) {
        const parts = [text.slice(0, cut), text.slice(cut, next), text.slice(next)];
        expect(read(parts.map((content) => ({ content }))).text).toEqual({
          reasoning: 'a <b> </thin> c',
          content: 'd </think> e',
          closed: true,
        });
      }
  });

  it('takes the upstream’s count before its own, and shares it out where reasoning is not counted apart', () => {
    const answer = read([{ reasoning_content: 'a' }, { content: 'b' }, { content: 'c' }, { content: 'd' }]);
    expect(answer.event(JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 8 } }))).toBe(
      'usage',
    );
    expect(answer.usage).toEqual({ input: 9, output: 8, reasoning: 2 });
    expect(answer.counted).toBe(false);
    answer.event(
      JSON.stringify({
        choices: [],
        usage: { prompt_tokens: 9, completion_tokens: 8, completion_tokens_details: { reasoning_tokens: 5 } },
      }),
    );
    expect(answer.usage.reasoning).toBe(5);
    // As SGLang says of every answer.
    answer.event(
      JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 8, reasoning_tokens: 0 } }),
    );
    expect(answer.usage.reasoning).toBe(2);
  });

  it('is read whole as well, its reasoning counted by its share of the text', () => {
    const answer = new Answer(true);
    const message = { content: '12345678', reasoning_content: '12345678' };
    answer.whole(
      JSON.stringify({
        id: 'i',
        model: 'm',
        choices: [{ message, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 10 },
      }),
    );
    expect(answer).toMatchObject({
      id: 'i',
      model: 'm',
      finishReasons: ['stop'],
      usage: { input: 1, output: 10, reasoning: 5 },
    });
    const without = new Answer(true);
    without.whole(JSON.stringify({ choices: [{ text: 'abc' }] }));
    expect(without.usage).toEqual({ input: 0, output: 0, reasoning: 0 });
    expect(without.text.content).toBe('abc');
  });

  it.each(['', '{', '[]', '1', 'null', '"x"'])('that can not be read is said to be so: %s', (data) => {
    expect(() => new Answer(true).event(data)).toThrow('can not be read');
    expect(() => new Answer(true).whole(data)).toThrow('can not be read');
  });

  it.each([
    [{ error: { message: 'x', code: 429 } }, 429],
    [{ error: { message: 'x', code: 'overloaded' } }, 500],
    [{ error: 'x' }, 500],
  ])('that is an error is one: %j', (body, status) => {
    expect(() => new Answer(true).event(JSON.stringify(body))).toThrow(SaidError);
    try {
      new Answer(true).event(JSON.stringify(body));
    } catch (error) {
      expect((error as SaidError).status).toBe(status);
    }
  });

  it('of any shape harms nothing', () => {
    const strange = [
      {},
      { choices: 1 },
      { choices: [null, 1, {}] },
      { choices: [{ delta: 5, index: -1, finish_reason: 'x' }] },
      { usage: 'x' },
      { usage: { prompt_tokens: -1 } },
      { usage: { prompt_tokens: 1, completion_tokens_details: null } },
      { id: 5, model: {} },
    ];
    for (const body of strange) expect(() => new Answer(true).event(JSON.stringify(body))).not.toThrow();
  });

  it('of endless text is kept within bounds, its end', () => {
    const answer = new Answer(true);
    const part = chunk({ content: 'x'.repeat(2 ** 19) });
    for (let i = 0; i < 10; i++) answer.event(part);
    answer.event(chunk({ content: 'end' }));
    expect(answer.text.content.length).toBeLessThanOrEqual(2 ** 21);
    expect(answer.text.content.endsWith('end')).toBe(true);
  });
});
