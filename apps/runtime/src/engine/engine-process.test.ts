import { readFile } from 'node:fs/promises';
import { createLogger } from '@vigil/service';
import { describe, expect, it, vi } from 'vitest';
import { LOAD, modelFile } from '../testing/random-model.js';
import { SCRIPTED } from '../testing/runtime.js';
import type { LoadOptions } from './protocol.js';
import { EngineDiedError, EngineProcess, lastWords } from './engine-process.js';

/** A model that ends the process which loads it, as a GPU does whose driver does not fit. */
async function deadly() {
  const bytes = await readFile(SCRIPTED);
  bytes.write('Q', bytes.indexOf('qwen2.attention.head_count'));
  return modelFile(bytes);
}

async function loadedOn(gpu: LoadOptions['gpu']) {
  const { path, remove } = await deadly();
  const log = createLogger('runtime', 'silent');
  const warn = vi.spyOn(log, 'warn');
  const none = () => undefined;
  const events = { answers: none, ready: none, died: none, progress: none };
  const engine = new EngineProcess({ ...LOAD, path, gpu }, events, log);
  const failure: unknown = await engine.start().catch((error: unknown) => error);
  await engine.stop();
  await remove();
  return { failure, warnings: warn.mock.calls.map(([, text]) => text) };
}

describe('the last words of an engine', () => {
  it.each([
    ['of a crash', 'terminate called\nGGML_ASSERT(n > 0) failed\n', ': GGML_ASSERT(n > 0) failed'],
    [
      "are Node's error, not the version that its report ends with",
      "node:internal/modules:215\n    throw new Error()\n\nError [ERR_MODULE_NOT_FOUND]: Cannot find package 'koffi'\n    at x (y:1)\n\nNode.js v24.21.0\n",
      ": Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'koffi'",
    ],
    ['are none where it said nothing', ' \n', ''],
  ])('%s', (_, output, words) => expect(lastWords(output)).toBe(words));
});

describe('an engine that dies while it loads', () => {
  it('is tried on the processor where what to compute on is left to us', async () => {
    const { failure, warnings } = await loadedOn('auto');
    expect(failure).toBeInstanceOf(EngineDiedError);
    expect(warnings).toContain('the engine died of what it computed on; it is tried on the processor');
  });

  it('is not tried again where that was said', async () => {
    const { failure, warnings } = await loadedOn('none');
    expect(failure).toBeInstanceOf(EngineDiedError);
    expect((failure as Error).message).toMatch(/^the engine's process ended \((SIG|exit code)/);
    expect(warnings).not.toContain('the engine died of what it computed on; it is tried on the processor');
  });
});
