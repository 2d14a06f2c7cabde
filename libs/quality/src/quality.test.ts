import { describe, expect, it } from 'vitest';
import { MAX_TEXT_LENGTH, repetition, scoreTurn, splitReasoning, tokenize, type Turn } from './index.js';

/** mulberry32: the same numbers on every run. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const turn = (change: Partial<Turn> = {}): Turn => ({
  reasoning: null,
  answer: null,
  finishReason: 'stop',
  outputTokens: null,
  reasoningTokens: null,
  ...change,
});

describe('tokenize', () => {
  it.each([
    ['Hello, world!', ['hello', 'world']],
    ['你好世界', ['你', '好', '世', '界']],
    ['GPU 显存 90%', ['gpu', '显', '存', '90']],
    ['コーヒー、です', ['コ', 'ー', 'ヒ', 'ー', 'で', 'す']],
    ['한국어', ['한', '국', '어']],
    ['naïve cafe\u0301', ['naïve', 'cafe\u0301']],
    ['x²+y₁ = 3.5', ['x²', 'y₁', '3', '5']],
    ['𠮷野家', ['𠮷', '野', '家']],
    ['', []],
    ['… — !?', []],
  ])('%j', (text, tokens) => {
    expect(tokenize(text)).toEqual(tokens);
  });

  it('looks at the end of a text beyond its bound', () => {
    const text = `first ${'x '.repeat(MAX_TEXT_LENGTH / 2)}last`;
    const tokens = tokenize(text);
    expect(tokens.at(-1)).toBe('last');
    expect(tokens).not.toContain('first');
  });
});

describe('repetition', () => {
  it.each([
    ['a b c d', 4, 0],
    ['a b c d a b c d', 4, 1 - 4 / 5],
    ['a a a a a a a a', 4, 1 - 1 / 5],
    ['a b a b a b', 2, 1 - 2 / 5],
    ['a b c a', 1, 1 - 3 / 4],
  ])('of %j with n = %i is %f', (text, n, value) => {
    expect(repetition(text.split(' '), n)).toBeCloseTo(value, 12);
  });

  it('is not known where there is no n-gram', () => {
    expect(repetition(['a', 'b', 'c'])).toBeNull();
    expect(repetition([])).toBeNull();
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses n = %f', (n) => {
    expect(() => repetition(['a'], n)).toThrow(RangeError);
  });

  it('equals counting n-grams by their text, whatever the tokens', () => {
    const next = random(1);
    for (let round = 0; round < 500; round++) {
      const letters = 1 + Math.floor(next() * 5);
      const tokens = Array.from({ length: Math.floor(next() * 40) }, () => `t${Math.floor(next() * letters)}`);
      const n = 1 + Math.floor(next() * 5);
      const grams = tokens.slice(0, Math.max(0, tokens.length - n + 1)).map((_, i) => tokens.slice(i, i + n).join(' '));
      const expected = grams.length === 0 ? null : 1 - new Set(grams).size / grams.length;
      expect(repetition(tokens, n)).toBe(expected);
    }
  });

  it('grows when a text is said again, and stays below 1', () => {
    const next = random(2);
    for (let round = 0; round < 100; round++) {
      const tokens = Array.from({ length: 4 + Math.floor(next() * 30) }, () => `w${Math.floor(next() * 50)}`);
      const once = repetition(tokens)!;
      const thrice = repetition([...tokens, ...tokens, ...tokens])!;
      expect(thrice).toBeGreaterThan(once);
      expect(thrice).toBeLessThan(1);
    }
  });

  it('takes a text of the greatest length, of one token or of all different ones', () => {
    expect(repetition(tokenize('啊'.repeat(MAX_TEXT_LENGTH)))).toBeGreaterThan(0.99999);
    expect(repetition(Array.from({ length: 200_000 }, (_, i) => String(i)))).toBe(0);
  });
});

describe('splitReasoning', () => {
  it.each([
    ['<think>\nhm\n</think>\n\nyes', 'hm', 'yes', true],
    ['hm\n</think>\n\nyes', 'hm', 'yes', true],
    ['  <think>hm</think>', 'hm', '', true],
    ['<think>\n\n</think>yes', '', 'yes', true],
    ['</think>yes', '', 'yes', true],
    ['<think>hm hm', 'hm hm', '', false],
    ['a plain answer', null, 'a plain answer', null],
    ['an answer about <think> tags', null, 'an answer about <think> tags', null],
    ['hm</think>say </think> again', 'hm', 'say </think> again', true],
    ['', null, '', null],
  ])('%j', (text, reasoning, answer, closed) => {
    expect(splitReasoning(text)).toEqual({ reasoning, answer, closed });
  });

  it('loses no letter of any text without tags, and no part holds more than the whole', () => {
    const next = random(3);
    const pieces = ['<think>', '</think>', 'a', ' ', '\n', '好', '<', 'think>'];
    for (let round = 0; round < 1000; round++) {
      const text = Array.from({ length: Math.floor(next() * 8) }, () => pieces[Math.floor(next() * 8)]).join('');
      const { reasoning, answer, closed } = splitReasoning(text);
      expect(text).toContain(answer);
      expect(text).toContain(reasoning ?? '');
      expect(closed === null).toBe(reasoning === null);
      if (reasoning === null) expect(answer).toBe(text.trim());
    }
  });
});

describe('scoreTurn', () => {
  it('scores a good answer', () => {
    const scores = scoreTurn(
      turn({
        reasoning: 'one two three four',
        answer: 'five six seven eight',
        outputTokens: 10,
        reasoningTokens: 4,
      }),
    );
    expect(scores).toEqual({
      unclosedReasoning: false,
      emptyAnswer: false,
      truncated: false,
      repetition: 0,
      reasoningRepetition: 0,
      reasoningShare: 0.4,
    });
  });

  it('says nothing of texts that it has not, and still counts', () => {
    const scores = scoreTurn(turn({ finishReason: 'length', outputTokens: 8, reasoningTokens: 8 }));
    expect(scores).toEqual({
      unclosedReasoning: null,
      emptyAnswer: null,
      truncated: true,
      repetition: null,
      reasoningRepetition: null,
      reasoningShare: 1,
    });
    expect(scoreTurn(turn({ finishReason: null })).truncated).toBeNull();
  });

  it.each<[string, Partial<Turn>, boolean | null]>([
    ['no reasoning at all', { answer: 'hi' }, null],
    ['the engine says closed', { reasoning: 'x', answer: '', reasoningClosed: true }, false],
    ['the engine says open', { answer: 'hi', reasoningClosed: false }, true],
    ['the engine says open, with no text', { reasoningClosed: false }, true],
    ['a parted answer', { reasoning: 'x', answer: 'hi' }, false],
    ['everything in the reasoning', { reasoning: 'x', answer: ' \n' }, true],
    ['a call of a tool after the reasoning', { reasoning: 'x', answer: '', finishReason: 'tool_calls' }, false],
    ['raw output that never closes', { answer: '<think>x x' }, true],
    ['raw output that closes', { answer: 'x</think>' }, false],
    ['reasoning tokens without their text', { answer: 'hi', reasoningTokens: 3 }, false],
    ['reasoning tokens without any text', { reasoningTokens: 3 }, null],
  ])('unclosed reasoning: %s', (_, change, expected) => {
    expect(scoreTurn(turn(change)).unclosedReasoning).toBe(expected);
  });

  it('takes a call of a tool for an answer', () => {
    expect(scoreTurn(turn({ answer: '', finishReason: 'tool_calls' })).emptyAnswer).toBe(false);
    expect(scoreTurn(turn({ answer: '' })).emptyAnswer).toBe(true);
  });

  it('leaves the reasoning out of the answer', () => {
    const loop = 'wait let me think '.repeat(20);
    const scores = scoreTurn(turn({ answer: `<think>${loop}</think>It is four, since two and two make four.` }));
    expect(scores.repetition).toBe(0);
    expect(scores.reasoningRepetition).toBeGreaterThan(0.9);
  });

  it.each([
    [3, 2],
    [1, 0],
    [-1, 4],
    [Number.NaN, 4],
  ])('%d of %d tokens is no share', (reasoningTokens, outputTokens) => {
    expect(scoreTurn(turn({ reasoningTokens, outputTokens })).reasoningShare).toBeNull();
  });
});
