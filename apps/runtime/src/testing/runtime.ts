import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '@vigil/service';
import OpenAI from 'openai';
import { createApp, type RuntimeApp } from '../app.js';
import { configSchema } from '../config.js';
import { Receiver } from './receiver.js';

/** A model that says set sentences, word by word. */
export const MODEL = 'vigil-scripted-r1';
export const SCRIPTED = fileURLToPath(new URL(`../../../../models/${MODEL}.gguf`, import.meta.url));

/** The real runtime on a free port, with a receiver of its spans. For tests. */
export class TestRuntime {
  private constructor(
    readonly app: RuntimeApp,
    readonly url: string,
    readonly receiver: Receiver,
    readonly dataDir: string,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<TestRuntime> {
    const receiver = await Receiver.start();
    const dataDir = env.DATA_DIR ?? (await mkdtemp(join(tmpdir(), 'vigil-runtime-')));
    const app = createApp(
      readConfig(configSchema, {
        MODEL: SCRIPTED,
        RUNTIME_PORT: '0',
        NODE_NAME: 'test-node',
        LOG_LEVEL: 'error',
        LLAMA_GPU: 'none',
        SLOTS: '4',
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        ...env,
        DATA_DIR: dataDir,
      }),
      env,
    );
    try {
      const { runtime } = await app.start();
      return new TestRuntime(app, runtime!, receiver, dataDir);
    } catch (error) {
      await app.stop();
      await receiver.stop();
      await rm(dataDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** The official client, without its own retries. */
  get openai(): OpenAI {
    return new OpenAI({ baseURL: `${this.url}/v1`, apiKey: 'not-needed', maxRetries: 0 });
  }

  post(body: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
      headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
    });
  }

  /** A metric's value, labels as they are written. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split('\n').find((l) => l.startsWith(`${name} `) || l.startsWith(`${name}{`));
    return Number(line?.split(' ').at(-1));
  }

  async stop(): Promise<void> {
    await this.app.stop();
    if (this.receiver.listening) await this.receiver.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** A request for an answer, with what differs. */
export const ask = (content: string, change: Record<string, unknown> = {}) => ({
  model: MODEL,
  messages: [{ role: 'user', content }],
  ...change,
});
