import { readFile } from 'node:fs/promises';
import { createLogger } from '@vigil/service';
import { describe, expect, it, vi } from 'vitest';
import { LOAD, modelFile } from '../testing/random-model.js';
import { SCRIPTED } from '../testing/runtime.js';
import type { LoadOptions } from './protocol.js';
import { EngineDiedError, EngineProcess } from './engine-process.js';

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
