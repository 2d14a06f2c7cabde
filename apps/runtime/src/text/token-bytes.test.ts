import { describe, expect, it } from 'vitest';
import { tokenBytes } from './token-bytes.js';

const utf8 = (text: string) => [...Buffer.from(text, 'utf8')];

describe('the bytes of a token', () => {
  it.each<[string, string, string, number[]]>([
    ['Ġhello', 'bpe', ' hello', utf8(' hello')],
    ['Ċ', 'bpe', '\n', [10]],
    ['æĪ', 'bpe', '\uFFFD', [0xe6, 0x88]],
    ['ĳ', 'bpe', '\uFFFD', [0x91]],
    ['é', 'bpe', '\uFFFD', [0xe9]],
    ['<｜User｜>', 'bpe', '<｜User｜>', utf8('<｜User｜>')],
    ['<0xE6>', 'spm', '\uFFFD', [0xe6]],
    ['▁hello', 'spm', ' hello', utf8(' hello')],
    ['<0xE6>', 'wpm', '<0xE6>', utf8('<0xE6>')],
  ])('%s of %s', (written, writing, text, bytes) => {
    expect(tokenBytes(written, writing, text)).toEqual(bytes);
  });

  it('of BPE are all that there are', () => {
    const all = new Set<number>();
    for (let code = 0; code < 400; code++)
      for (const byte of tokenBytes(String.fromCodePoint(code), 'bpe', '')) all.add(byte);
    expect(all.size).toBe(256);
  });
});
