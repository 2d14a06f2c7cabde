import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GgufError, readGgufHeader } from './header.js';

const BUNDLED = fileURLToPath(new URL('../../../models/vigil-scripted-r1.gguf', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-gguf-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readGgufHeader', () => {
  it('reads single values and the lengths of arrays', async () => {
    const { version, tensors, metadata } = await readGgufHeader(BUNDLED);
    expect([version, tensors]).toEqual([3, 15]);
    expect(metadata.get('general.architecture')).toBe('qwen2');
    expect(metadata.get('tokenizer.ggml.tokens.length')).toBeGreaterThan(256);
    expect(metadata.has('tokenizer.ggml.tokens')).toBe(false);
  });

  it('says what a file is that ends within its header, at whatever byte', async () => {
    const whole = await readFile(BUNDLED);
    const path = join(folder, 'cut.gguf');
    for (const length of [0, 3, 4, 11, 24, 40, 700]) {
      await writeFile(path, whole.subarray(0, length));
      await expect(readGgufHeader(path), `${length} bytes`).rejects.toBeInstanceOf(GgufError);
    }
  });
});
