import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeNvml, hasCompiler } from './testing-nvml.js';
import { NvmlSource } from './nvml.js';

const MIB = 2 ** 20;

describe.skipIf(!hasCompiler())("the reader's process", () => {
  let fake: FakeNvml;
  let source: NvmlSource;

  beforeAll(async () => {
    fake = await FakeNvml.make();
    source = new NvmlSource({ timeoutSeconds: 60, library: await fake.library(), env: fake.env() });
  });
  afterAll(async () => {
    await source.close();
    await fake.remove();
  });

  /** Bytes that are the process's alone. */
  const ownMemory = async (): Promise<number> => {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (!line.includes(fake.folder)) continue;
      const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
      const kib = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)];
      return kib.reduce((sum, match) => sum + Number(match[1]) * 1024, 0);
    }
    throw new Error('the reader does not run');
  };

  it('does not grow, reading after reading', async () => {
    await fake.does('gpus=8', 'processes=20', 'instances.7=2');
    const read = async (times: number) => {
      for (let i = 0; i < times; i++) expect((await source.read()).state).toBe('up');
    };
    await read(100);
    const before = await ownMemory();
    await read(300);
    const after = await ownMemory();
    expect(after - before).toBeLessThan(3 * MIB);
    expect(after).toBeLessThan(40 * MIB);
  });
});
