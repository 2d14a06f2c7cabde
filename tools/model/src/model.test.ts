import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { compile, type Automaton } from './automaton.js';
import { byteTokens, learnMerges, spell, unspell } from './bpe.js';
import { writeGguf } from './gguf.js';
import { buildScriptedModel, SCRIPTED_NAME } from './scripted.js';
import { SCRIPTS } from './scripts.js';
import { encodeTensor, toHalf } from './tensor-types.js';
import { code, CODES } from './weights.js';

describe('the bundled model', () => {
  it('is what this tool writes, byte for byte, and well under 2 MiB', async () => {
    const committed = await readFile(new URL(`../../../models/${SCRIPTED_NAME}.gguf`, import.meta.url));
    const written = Buffer.from(buildScriptedModel());
    expect(written.equals(committed), 'run "npm run model" and commit the result').toBe(true);
    expect(written.length).toBeLessThan(1.5 * 2 ** 20);
  });
});

describe('the automaton', () => {
  const machine = compile(SCRIPTS);

  it('has states that their bytes alone tell apart, as many as there are codes for', () => {
    const texts = machine.states.map(({ bytes }) => Buffer.from(bytes).toString('latin1'));
    expect(new Set(texts).size).toBe(texts.length);
    expect(texts.length + 4).toBeLessThanOrEqual(CODES);
  });

  it('says every alternative of every sentence, and the first of each is the likeliest', () => {
    const first = (language: 'en' | 'zh', part: 'reasoning' | 'answer') => {
      const script = SCRIPTS.find((s) => s.language === language)!;
      return script[part].map(([sentence]) => sentence).join('');
    };
    for (const language of ['en', 'zh'] as const) {
      expect(likeliest(machine, 'begin', language)).toBe(`${first(language, 'reasoning')}\n`);
      expect(likeliest(machine, 'answer', language)).toBe(`\n\n${first(language, 'answer')}`);
    }
    for (const row of machine.next) expect(row.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1);
  });

  it('cuts some Chinese characters in two, as byte-level vocabularies do', () => {
    const broken = machine.states.filter(({ bytes }) => Buffer.from(bytes).toString('utf8').includes('\uFFFD'));
    expect(broken.length).toBeGreaterThan(10);
  });
});

/** Follows the likeliest step from the beginning of a part to its end. */
function likeliest(machine: Automaton, part: 'begin' | 'answer', language: string): string {
  const heads = machine[part].filter(({ state }) => machine.states[state]!.language === language);
  let state: number | string = heads.toSorted((a, b) => b.probability - a.probability)[0]!.state;
  const said: Uint8Array[] = [];
  while (typeof state === 'number') {
    said.push(machine.states[state]!.bytes);
    state = machine.next[state]!.toSorted((a, b) => b.probability - a.probability)[0]!.to;
  }
  return Buffer.concat(said).toString('utf8');
}

describe('codes', () => {
  it('are of one length, and no two come near each other', () => {
    const all = Array.from({ length: CODES }, (_, n) => code(n));
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    for (const [i, a] of all.entries()) {
      expect(dot(a, a)).toBeGreaterThan(250);
      for (const b of all.slice(0, i)) expect(Math.abs(dot(a, b))).toBeLessThanOrEqual(16);
    }
  });
});

describe('the tokenizer', () => {
  it('spells every byte, and reads it back', () => {
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(unspell(spell(every))).toEqual(every);
    expect(new Set(byteTokens()).size).toBe(256);
    expect(spell(Buffer.from(' a\n'))).toBe('ĠaĊ');
  });

  it('learns the most frequent pairs first, decides ties by spelling, and never joins words', () => {
    expect(learnMerges('abab abab cd cd', 3)).toEqual([
      ['a', 'b'],
      ['ab', 'ab'],
      ['c', 'd'],
    ]);
    expect(learnMerges('aaab aaab', 1)).toEqual([['a', 'a']]);
    expect(learnMerges('x y', 5)).toEqual([]);
  });
});

describe('a GGUF file', () => {
  it('is laid out as the specification says', () => {
    const file = Buffer.from(
      writeGguf({
        metadata: { 'general.architecture': { type: 'string', value: 'qwen2' } },
        tensors: [
          { name: 'a', shape: [2], type: 'F32', data: Float32Array.of(1, -2) },
          { name: 'b', shape: [32, 1], type: 'Q8_0', data: new Float32Array(32).fill(127) },
        ],
      }),
    );
    expect(file.toString('latin1', 0, 4)).toBe('GGUF');
    expect([file.readUInt32LE(4), file.readBigUInt64LE(8), file.readBigUInt64LE(16)]).toEqual([3, 2n, 1n]);
    expect(file.toString('latin1', 32, 52)).toBe('general.architecture');
    const data = file.subarray(file.length - 96);
    expect([data.readFloatLE(0), data.readFloatLE(4)]).toEqual([1, -2]);
    expect([data.readUInt16LE(32), data.readInt8(34), data.readInt8(65)]).toEqual([0x3c00, 127, 127]);
  });

  it('refuses numbers that do not fit', () => {
    const tensor = { name: 't', shape: [33], type: 'Q8_0' as const, data: new Float32Array(33) };
    expect(() => writeGguf({ metadata: {}, tensors: [tensor] })).toThrow('Q8_0 needs multiples of 32');
    expect(() => writeGguf({ metadata: {}, tensors: [{ ...tensor, shape: [64] }] })).toThrow('holds 33 numbers');
  });

  it.each([
    [0, 0],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65520, 0x7c00],
    [1 / 3, 0x3555],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -26, 0],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
  ])('writes %d in half precision as 0x%s', (value, bits) => {
    expect(toHalf(value)).toBe(bits);
    const encoded = encodeTensor('F16', Float32Array.of(value));
    expect(new DataView(encoded.buffer).getUint16(0, true)).toBe(bits);
  });
});
