/* What the tests of this folder share; nothing of it runs in the collector. */
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const recording = (name: 'h100-idle' | 'h100-load' | 'h200-idle' | 'h200-load'): Promise<string> =>
  readFile(new URL(`../fixtures/nvidia-smi/${name}.xml`, import.meta.url), 'utf8');

/** A document with `count` GPUs, made of the one GPU of another. */
export function withGpus(xml: string, count: number): string {
  const gpu = /<gpu id[\s\S]*<\/gpu>/.exec(xml)![0];
  const gpus = Array.from({ length: count }, (_, i) =>
    gpu.replaceAll('GPU-00000000', `GPU-0000000${i}`).replaceAll('00000000:00:06.0', `00000000:0${i}:00.0`),
  );
  return xml.replace(gpu, gpus.join('\n')).replace(/(<attached_gpus>)\d+/, `$1${count}`);
}

/** A folder with an executable `nvidia-smi` whose behaviour, lines of shell, can change between two calls. */
export class FakeNvidiaSmi {
  private constructor(readonly folder: string) {}

  static async make(): Promise<FakeNvidiaSmi> {
    const fake = new FakeNvidiaSmi(await mkdtemp(join(tmpdir(), 'vigil-smi-')));
    await writeFile(fake.path('load.xml'), await recording('h200-load'));
    const script = `#!/bin/sh\ncd '${fake.folder}' || exit 1\necho "$@" >> calls\n. ./behaviour\n`;
    await writeFile(fake.path('nvidia-smi'), script);
    await chmod(fake.path('nvidia-smi'), 0o755);
    await fake.does('cat load.xml');
    return fake;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** From the next call on. Put in place whole, since a call may come at any moment. */
  async does(shell: string): Promise<void> {
    await writeFile(this.path('behaviour.new'), `${shell}\n`);
    await rename(this.path('behaviour.new'), this.path('behaviour'));
  }

  /** Hangs for ever with a process of its own beside it, neither of which listens to SIGTERM. */
  hangs(): Promise<void> {
    return this.does(
      "trap '' TERM INT HUP\nsleep 3600 &\nprintf '%s %s' $$ $! > pids.new && mv pids.new pids\nwhile :; do wait; sleep 1; done",
    );
  }

  /** The processes of the latest `hangs`; `undefined` until it runs. */
  async pids(): Promise<number[] | undefined> {
    const text = await readFile(this.path('pids'), 'utf8').catch(() => undefined);
    return text?.split(' ').map(Number);
  }

  async calls(): Promise<string[]> {
    const text = await readFile(this.path('calls'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** This process's environment with the fake first on the PATH. */
  env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return { ...process.env, ...more, PATH: `${this.folder}:${process.env.PATH}` };
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Whether a process runs; one that ended and was not collected does not. */
export async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

export { FakeNvml, hasCompiler } from './testing-nvml.js';
