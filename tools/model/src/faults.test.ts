import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { editGguf, readTokens } from './edit-gguf.js';
import { FAULTS, forgotten, withFault } from './faults.js';
import { writeGguf } from './gguf.js';
import { NANO_NAME } from './nano.js';

const TOKENS = ['a', 'bb', '中'];
const weights = new Float32Array(32).fill(1.5);
const file = (u32: number, f32: number, tokens: readonly string[], more: Record<string, number> = {}) =>
  writeGguf({
    metadata: {
      'general.architecture': { type: 'string', value: 'qwen2' },
      key: { type: 'u32', value: u32 },
      epsilon: { type: 'f32', value: f32 },
      'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
      scores: { type: 'f32s', value: [1, 2, 3] },
      flag: { type: 'bool', value: true },
      ...Object.fromEntries(Object.entries(more).map(([k, value]) => [k, { type: 'u32' as const, value }])),
    },
    tensors: [{ name: 't', shape: [32], type: 'F32', data: weights }],
  });

describe('editGguf', () => {
  it('writes what writeGguf would have written', () => {
    const edited = editGguf(file(1, 0.5, TOKENS), {
      u32: { key: 7, new: 9 },
      f32: { epsilon: 2 },
      swapTokens: [['a', '中']],
    });
    expect(Buffer.from(edited)).toEqual(Buffer.from(file(7, 2, ['中', 'bb', 'a'], { new: 9 })));
  });

  it('leaves a file as it is where nothing is changed', () => {
    expect(Buffer.from(editGguf(file(1, 0.5, TOKENS), {}))).toEqual(Buffer.from(file(1, 0.5, TOKENS)));
  });

  it('refuses tokens that are not there', () => {
    expect(() => editGguf(file(1, 0.5, TOKENS), { swapTokens: [['a', 'z']] })).toThrow('The tokenizer lacks z.');
  });
});

it('a fault changes the metadata alone: the weights are the same bytes', async () => {
  const model = await readFile(new URL(`../../../models/${NANO_NAME}.gguf`, import.meta.url));
  const tail = 9_000_000;
  for (const fault of FAULTS) {
    const faulty = Buffer.from(withFault(model, fault));
    expect(faulty.equals(model), fault).toBe(fault === 'forget');
    expect(faulty.subarray(-tail).equals(model.subarray(-tail)), fault).toBe(true);
    expect(readTokens(faulty).toSorted(), fault).toEqual(readTokens(model).toSorted());
  }
});

it('what is forgotten is all but the last message and the system texts', () => {
  const roles = ['system', 'user', 'assistant', 'user'].map((role, n) => ({ role, n }));
  expect(forgotten(roles).map(({ n }) => n)).toEqual([0, 3]);
});
