import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { UserError } from '@vigil/service';

/** A server of OpenAI's API, in a process of its own. */
export interface Server {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

export type Env = Readonly<Record<string, string>>;

/** Our runtime, as it is built. @throws UserError where it ends at its start */
export async function startRuntime(env: Env): Promise<Server> {
  const child = fork(fileURLToPath(new URL('../../../apps/runtime/dist/main.js', import.meta.url)), [], {
    env: { ...process.env, ...env },
  });
  const ended = endOf(child, 'The runtime');
  for (;;) {
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [
      { type: string; addresses?: { runtime: string } },
    ];
    if (message.type === 'ready') return { url: message.addresses!.runtime, pid: child.pid!, stop: () => stop(child) };
  }
}

/** Starts the runtime, hands its address over, and ends it. */
export async function withRuntime<T>(env: Env, use: (url: string) => Promise<T>): Promise<T> {
  const server = await startRuntime(env);
  try {
    return await use(server.url);
  } finally {
    await server.stop();
  }
}

const PATIENCE_MS = 60_000;

/** llama.cpp's own server, of the same version best. @throws UserError where it ends at its start, or is not ready in time */
export async function startLlamaServer(program: string, args: readonly string[]): Promise<Server> {
  const port = await freePort();
  const child = spawn(program, [...args, '--host', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' });
  const ended = endOf(child, `The program ${program}`);
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    const health = await Promise.race([fetch(`${url}/health`).catch(() => undefined), ended]);
    if (health?.ok) return { url, pid: child.pid!, stop: () => stop(child) };
    await new Promise((done) => setTimeout(done, 100));
  }
  await stop(child);
  throw new UserError(`${program} was not ready after ${PATIENCE_MS / 1000} s.`);
}

/** Rejects when it ends by itself. */
function endOf(child: ChildProcess, what: string): Promise<never> {
  const ended = Promise.race([
    once(child, 'exit').then(() => {
      throw new UserError(`${what} ended at its start.`);
    }),
    once(child, 'error').then(([error]) => {
      throw new UserError(`${what} can not be started: ${(error as Error).message}`);
    }),
  ]) as Promise<never>;
  ended.catch(() => undefined);
  return ended;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
