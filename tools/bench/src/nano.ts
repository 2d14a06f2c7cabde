import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NANO_NAME } from '@vigil/model';
import { withRuntime } from './servers.js';

export const ROOT = new URL('../../../', import.meta.url);
/** The model that Vigil brings. */
export const NANO = fileURLToPath(new URL(`models/${NANO_NAME}.gguf`, ROOT));

/** A runtime that serves a file as `m`, and never refuses for want of room in its queue. */
export async function withModel<T>(file: string, use: (url: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
  const env = {
    MODEL: file,
    MODEL_NAME: 'm',
    DATA_DIR: folder,
    RUNTIME_PORT: '0',
    LOG_LEVEL: 'error',
    QUEUE_MAX: '1000',
    CONTEXT_SIZE: '4096',
    OTEL_SDK_DISABLED: 'true',
  };
  try {
    return await withRuntime(env, use);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
