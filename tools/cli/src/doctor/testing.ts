/* What the tests of this folder share; nothing of it runs in the doctor. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { FactsReading, GpuReading, GpuSample } from '@vigil/gpu';
import { readSmiXml } from '@vigil/gpu';
import { recording, withGpus } from '@vigil/gpu/testing';
import type { Context } from './types.js';

/** A folder with `proc`, `sys` and `etc`, made of files by path. */
export class Tree {
  private constructor(readonly folder: string) {}

  static async make(files: Readonly<Record<string, string>> = {}): Promise<Tree> {
    const tree = new Tree(await mkdtemp(join(tmpdir(), 'vigil-doctor-')));
    for (const name of ['proc', 'sys', 'etc']) await mkdir(tree.path(name));
    await tree.write(files);
    return tree;
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(this.path(name)), { recursive: true });
      await writeFile(this.path(name), text);
    }
  }

  /** A context that sees this tree and no GPU. */
  context(more: Partial<Context> = {}): Context {
    return {
      env: { HOME: this.folder },
      roots: { proc: this.path('proc'), sys: this.path('sys'), ofHost: true },
      etc: this.path('etc'),
      gpus: () => Promise.resolve({ reading: NO_GPU, facts: { state: 'none', reason: 'nvidia-smi is not here' } }),
      subject: undefined,
      peer: undefined,
      volume: this.folder,
      quick: false,
      ...more,
    };
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

const NO_GPU: GpuReading = { state: 'none', source: 'none', reason: 'no library is here' };

/** A captured interface, as `/sys/class/net` has it. */
export const netInterface = (name: string, mtu = 1500, state = 'up'): Record<string, string> => ({
  [`sys/class/net/${name}/mtu`]: `${mtu}\n`,
  [`sys/class/net/${name}/operstate`]: `${state}\n`,
});

/** Samples of so many H200 as they were recorded, with changes. */
export async function h200s(count: number, change: Partial<GpuSample> = {}): Promise<GpuSample[]> {
  const xml = withGpus(await recording('h200-idle'), count);
  const result = readSmiXml(xml, { time: new Date(0), source: 'nvidia-smi', replay: false });
  if (!result.ok) throw new Error(result.reason);
  return result.samples.map((sample) => ({ ...sample, ...change }));
}

/** GPUs that were read, and nvidia-smi's word on them. */
export const gpusOf = (samples: GpuSample[], facts: FactsReading): Context['gpus'] => {
  return () =>
    Promise.resolve({ reading: { state: 'up', source: 'nvidia-smi', samples, events: [], notes: [] }, facts });
};
