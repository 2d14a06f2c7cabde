import { chmod, symlink } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tree } from '../testing.js';
import { decideOpenFiles, decideToolkit, dockerKnows, isOnPath, limitOfShell, openFiles } from './system.js';

let tree: Tree;
beforeEach(async () => {
  tree = await Tree.make();
});
afterEach(() => tree.remove());

const limits = (soft: number | string, hard: number | string) =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft}                 ${hard}               files     \n`;

describe('open files', () => {
  it.each<[number, number, string, string]>([
    [1_048_576, 1_048_576, 'pass', '1,048,576'],
    [1024, 1_048_576, 'pass', '1,024, may be raised to 1,048,576'],
    [Infinity, Infinity, 'pass', 'unlimited'],
    [1024, 20_000, 'warn', '1,024, may be raised to 20,000'],
    [1024, 1024, 'fail', '1,024'],
  ])('%i of %i: %s', (soft, hard, status, measured) => {
    expect(decideOpenFiles({ soft, hard })).toMatchObject({ status, measured });
  });

  /** A process as `/proc` shows it. */
  async function process(pid: number, parent: number, program: string, soft: number): Promise<void> {
    await tree.write({
      [`proc/${pid}/status`]: `Name:\tx\nPPid:\t${parent}\n`,
      [`proc/${pid}/limits`]: limits(soft, 4096),
    });
    await symlink(`/usr/bin/${program}`, tree.path('proc', String(pid), 'exe'));
  }

  it('are those of the shell above every Node.js process', async () => {
    await process(1, 0, 'systemd', 1);
    await process(10, 1, 'bash', 1024);
    await process(11, 10, 'node', 4096);
    await process(12, 11, 'dash', 4096);
    await process(13, 12, 'node', 4096);
    expect(limitOfShell(tree.context().roots, 13)).toEqual({ soft: 1024, hard: 4096 });
    expect(limitOfShell(tree.context().roots, 10)).toEqual({ soft: 1024, hard: 4096 });
  });

  it('are our own where others are not shown', async () => {
    await tree.write({ 'proc/self/limits': limits(2048, 'unlimited') });
    expect(limitOfShell(tree.context().roots, 4711)).toEqual({ soft: 2048, hard: Infinity });
  });

  it('are skipped where the kernel does not say', async () => {
    expect(await openFiles.run(tree.context())).toMatchObject({ status: 'skip' });
  });
});

describe('container toolkit', () => {
  const facts = { gpu: true, engines: ['docker'], tools: ['nvidia-ctk'], dockerKnows: true, cdi: false };
  it.each<[string, Partial<typeof facts>, string, RegExp]>([
    ['all there', {}, 'pass', /can use the GPUs/],
    ['no engine', { engines: [] }, 'skip', /No container engine/],
    ['no GPU', { gpu: false }, 'skip', /no GPU to hand to docker/],
    ['no toolkit', { tools: [] }, 'warn', /can not use the GPUs/],
    ['Docker not told', { dockerKnows: false }, 'warn', /Docker does not know it/],
    ['CDI in place of a runtime', { dockerKnows: false, cdi: true }, 'pass', /can use/],
    ['Podman', { engines: ['podman'], dockerKnows: false }, 'pass', /can use/],
  ])('%s', (_, change, status, reason) => {
    expect(decideToolkit({ ...facts, ...change })).toMatchObject({ status, reason: expect.stringMatching(reason) });
  });

  it.each<[string, boolean]>([
    ['{"runtimes":{"nvidia":{"path":"nvidia-container-runtime"}}}', true],
    ['{"default-runtime":"nvidia"}', true],
    ['{"runtimes":{"kata":{}}}', false],
    ['{"runtimes":null}', false],
    ['null', false],
    ['{', false],
    ['', false],
  ])('daemon.json %j: %s', (text, known) => {
    expect(dockerKnows(text)).toBe(known);
  });

  it('looks for programs that may be run', async () => {
    await tree.write({ 'bin/nvidia-ctk': '', 'bin/docker': '' });
    await chmod(tree.path('bin/docker'), 0o755);
    const path = `:/nowhere:${tree.path('bin')}`;
    expect(['docker', 'podman'].map((name) => isOnPath(name, path))).toEqual([true, false]);
    expect(isOnPath('docker')).toBe(false);
  });
});
