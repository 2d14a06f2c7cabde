import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManagedProcess, restartDelay, warningOf } from './managed-process.js';
import { assertFree } from './ports.js';
import { Progress } from './progress.js';
import { findProgram } from './prometheus.js';
import { claim, emptyState, readState, release, writeState } from './state.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'vigil-launch-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('pauses between restarts', () => {
  it('grow from a fifth of a second to ten seconds', () => {
    expect([0, 1, 2, 5, 6, 50].map(restartDelay)).toEqual([200, 400, 800, 6400, 10_000, 10_000]);
  });
});

describe('log lines that are shown', () => {
  it.each([
    ['{"level":"warn","msg":"slow","reason":"disk"}', 'slow: disk'],
    ['{"level":"error","msg":"broken"}', 'broken'],
    ['{"level":"info","msg":"fine"}', undefined],
    ['plain text', undefined],
    ['{half', undefined],
  ])('%s', (line, shown) => {
    expect(warningOf(line)).toBe(shown);
  });
});

describe('the claim on a data folder', () => {
  it('is held by one process, and taken over from a dead one', async () => {
    await claim(folder);
    expect(readState(folder)?.pid).toBe(process.pid);
    release(folder);
    expect(readState(folder)).toBeUndefined();
    await writeState(folder, { ...emptyState(), pid: 2 ** 30 });
    expect(readState(folder)).toBeUndefined();
    await claim(folder);
    expect(readState(folder)?.pid).toBe(process.pid);
  });
});

describe('a managed process', () => {
  const server = `const s = require('node:http').createServer((q, r) => r.end('ok'));
    s.listen(Number(process.argv[1]), '127.0.0.1'); process.on('SIGTERM', () => process.exit(0));`;
  const spec = (port: number, code: string) => ({
    name: 'it',
    command: process.execPath,
    args: ['-e', code, String(port)],
    env: {},
    logFile: join(folder, 'it.log'),
    healthUrl: `http://127.0.0.1:${port}/`,
    stopMs: 500,
  });
  const freePort = async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    await once(probe, 'close');
    return port;
  };
  const told: string[] = [];
  const events = {
    progress: () => undefined,
    warning: () => undefined,
    died: (_: string, how: string) => told.push(how),
    back: () => told.push('back'),
  };

  it('comes back each time it dies, and not once it was stopped', async () => {
    const port = await freePort();
    const managed = new ManagedProcess(spec(port, server), events);
    await managed.start();
    for (let i = 1; i <= 2; i++) {
      process.kill(managed.pid!, 'SIGKILL');
      while (told.filter((t) => t === 'back').length < i) await new Promise((done) => setTimeout(done, 20));
    }
    expect(told).toEqual(['SIGKILL', 'back', 'SIGKILL', 'back']);
    await managed.stop();
    await assertFree('127.0.0.1', port, 'IT_PORT');
    expect(told).toHaveLength(4);
  });

  it('that ends at once is an error that names its log', async () => {
    const managed = new ManagedProcess(spec(await freePort(), 'process.exit(3)'), events);
    await expect(managed.start()).rejects.toThrow(
      `it ended while it started (exit code 3). Its log: ${join(folder, 'it.log')}`,
    );
    await managed.stop();
  });

  it('that does not stop when asked is ended', async () => {
    const port = await freePort();
    const managed = new ManagedProcess(spec(port, server.replace('process.exit(0)', '0')), events);
    await managed.start();
    await managed.stop();
    await assertFree('127.0.0.1', port, 'IT_PORT');
  });
});

describe('progress', () => {
  it('names steps as they are done, in a log without control characters', async () => {
    let text = '';
    const out = { isTTY: false, write: (s: string) => ((text += s), true) } as unknown as NodeJS.WriteStream;
    const progress = new Progress(out);
    await progress.step('one', async () => undefined);
    await expect(progress.step('two', async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(text).toBe('✓ one\n✗ two\n');
  });
});

describe('programs', () => {
  it('are found on the PATH or not', () => {
    expect(findProgram('no-such-program')).toBeUndefined();
    expect(findProgram('sh', '/nowhere:/bin')).toBe('/bin/sh');
  });
});
