import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@vigil/service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttributedSource } from './attributed.js';
import { ProcessAttribution } from './attribution.js';
import { readSmiXml } from './nvidia-smi-xml.js';
import { recording } from './testing.js';
import type { GpuProcess, GpuSample, GpuSource } from './types.js';

const ID = '3f4a5b6c7d8e9f00112233445566778899aabbccddeeff00112233445566aabb';

describe('ProcessAttribution', () => {
  let folder: string;
  let sample: GpuSample;
  let seconds: number;
  const started: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigil-proc-'));
    seconds = 0;
    const context = { time: new Date(1000), source: 'nvidia-smi', replay: false };
    const result = await readSmiXml(await recording('h200-load'), context);
    if (!('samples' in result)) throw new Error('the recording cannot be read');
    sample = result.samples[0]!;
  });
  afterEach(async () => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const holds = (pids: readonly number[], more: Partial<GpuSample> = {}): GpuSample => ({
    ...sample,
    processes: pids.map((pid) => ({ pid, name: 'x', memory: 1, container: null, runtime: false })),
    ...more,
  });
  const process_ = async (pid: number, parent: number, start: number, args: string[], cgroup = '0::/') => {
    await mkdir(join(folder, String(pid)), { recursive: true });
    const write = (name: string, text: string) => writeFile(join(folder, String(pid), name), text);
    await write('stat', `${pid} (some (name)) S ${parent} ${'0 '.repeat(17)}${start} 0 0`);
    await write('cmdline', args.map((arg) => `${arg}\0`).join(''));
    await write('cgroup', `${cgroup}\n`);
  };
  const attribution = () => new ProcessAttribution({ hostProc: folder, now: () => seconds });
  const one = async (all: ProcessAttribution, pid: number): Promise<Partial<GpuProcess>> => {
    const [annotated] = await all.annotate([holds([pid])]);
    const { container, runtime } = annotated!.processes[0]!;
    return { container, runtime };
  };

  it('tells the container, the runtime, and what the runtime started', async () => {
    const cgroup = `0::/system.slice/docker-${ID}.scope`;
    await process_(10, 1, 5, ['node', '/app/apps/runtime/dist/main.js'], cgroup);
    await process_(11, 10, 6, ['/usr/bin/node', '/app/apps/runtime/dist/child/main.js'], cgroup);
    await process_(12, 11, 7, ['llama-server'], cgroup);
    await process_(20, 1, 8, ['python3', 'train.py']);
    const [first, second] = await attribution().annotate([holds([11, 12, 20, 99]), holds([20], { gpu: '1' })]);
    expect(first!.processes).toEqual([
      { pid: 11, name: 'x', memory: 1, container: ID, runtime: true },
      { pid: 12, name: 'x', memory: 1, container: ID, runtime: true },
      { pid: 20, name: 'x', memory: 1, container: null, runtime: false },
      { pid: 99, name: 'x', memory: 1, container: null, runtime: false },
    ]);
    expect(second).toMatchObject({ gpu: '1', processes: [{ pid: 20, runtime: false }] });
  });

  it('looks at a process once, and again when its PID may be another', async () => {
    const all = attribution();
    await process_(11, 1, 6, ['node', '/app/apps/runtime/dist/child/main.js']);
    expect(await one(all, 11)).toEqual({ container: null, runtime: true });
    // The same PID, another process: noticed within a minute.
    await process_(11, 1, 700, ['python3']);
    seconds = 59;
    expect(await one(all, 11)).toEqual({ container: null, runtime: true });
    seconds = 60;
    expect(await one(all, 11)).toEqual({ container: null, runtime: false });
  });

  it('keeps what it knows of a process that began when it did', async () => {
    const all = attribution();
    await process_(11, 1, 6, ['node', '/app/apps/runtime/dist/child/main.js']);
    await one(all, 11);
    await process_(11, 1, 6, ['renamed']);
    seconds = 600;
    expect(await one(all, 11)).toEqual({ container: null, runtime: true });
  });

  it('forgets a process that let go of the GPU', async () => {
    const all = attribution();
    await process_(11, 1, 6, ['node', '/app/apps/runtime/dist/child/main.js']);
    await one(all, 11);
    await all.annotate([holds([])]);
    await process_(11, 1, 6, ['python3']);
    expect(await one(all, 11)).toEqual({ container: null, runtime: false });
  });

  it('ends with a circle of parents', async () => {
    await process_(11, 12, 6, ['a']);
    await process_(12, 11, 6, ['b']);
    expect(await one(attribution(), 11)).toEqual({ container: null, runtime: false });
  });

  it('says nothing of a recording', async () => {
    await process_(11, 1, 6, ['node', '/app/apps/runtime/dist/child/main.js']);
    const recorded = holds([11], { replay: true });
    expect(await attribution().annotate([recorded])).toEqual([recorded]);
  });

  it('gives the samples where /proc cannot be read to its end, and does not read on', async () => {
    await mkdir(join(folder, '11'));
    // A pipe that nobody writes to: reading it hangs, as reading the command line of a hung process does.
    execFileSync('mkfifo', [join(folder, '11', 'stat')]);
    await process_(20, 1, 8, ['node', '/app/apps/runtime/dist/main.js']);
    const all = attribution();
    const samples = [holds([11, 20])];
    expect(await all.annotate(samples)).toEqual(samples);
    expect(await all.annotate(samples)).toEqual(samples);
    await writeFile(join(folder, '11', 'stat'), '11 (x) S 1 0');
    const told = async () => (await all.annotate(samples))[0]!.processes[1]!.runtime;
    await expect.poll(told, { timeout: 20_000 }).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')('knows a real process and its child by the real /proc', async () => {
    const dist = join(folder, 'apps', 'runtime', 'dist', 'child');
    await mkdir(dist, { recursive: true });
    const program = join(dist, 'main.js');
    await writeFile(
      program,
      `process.send(require('node:child_process').spawn('sleep', ['600'], { stdio: 'ignore' }).pid); setInterval(() => {}, 1000);`,
    );
    const runtime = fork(program, { execArgv: [] });
    const other = spawn('sleep', ['600'], { stdio: 'ignore' });
    started.push(runtime, other);
    const grandchild = await new Promise<number>((resolve) => runtime.once('message', (pid) => resolve(pid as number)));
    try {
      const all = new ProcessAttribution({ hostProc: '/proc' });
      const [annotated] = await all.annotate([holds([runtime.pid!, grandchild, other.pid!])]);
      expect(annotated!.processes.map((p) => p.runtime)).toEqual([true, true, false]);
    } finally {
      process.kill(grandchild, 'SIGKILL');
    }
  });

  describe('without a /proc that is named', () => {
    const source = (name = 'fake'): GpuSource => ({
      name,
      read: async () => ({ state: 'up', source: name, samples: [holds([process.pid])], events: [], notes: [] }),
      close: async () => undefined,
    });
    const namespace = async (inode: string): Promise<ProcessAttribution> => {
      await mkdir(join(folder, 'self', 'ns'), { recursive: true });
      await symlink(`pid:[${inode}]`, join(folder, 'self', 'ns', 'pid'));
      return new ProcessAttribution({ proc: folder });
    };

    it.each([
      ['4026531836', true],
      ['4026532198', false],
    ])('in the namespace %s, PIDs of drivers are known: %s', async (inode, expected) => {
      const all = await namespace(inode);
      await process_(11, 1, 6, ['node', '/app/apps/runtime/dist/main.js']);
      expect(await all.sees()).toBe(expected);
      expect(await one(all, 11)).toEqual({ container: null, runtime: expected });
    });

    it('the source says once that it cannot tell', async () => {
      const lines: string[] = [];
      const log = { info: (line: string) => lines.push(line) } as unknown as Logger;
      await namespace('4026532198');
      const attributed = new AttributedSource(source('nvml'), log, { proc: folder });
      for (let i = 0; i < 2; i++) expect(await attributed.read()).toMatchObject({ state: 'up', source: 'nvml' });
      expect(attributed.name).toBe('nvml');
      expect(lines).toEqual([expect.stringMatching(/pid: host/)]);
      await attributed.close();
    });
  });
});
