import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Spool, SpoolFullError } from './index.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'vigil-spool-'))));
afterEach(() => rm(dir, { recursive: true, force: true }));
const open = (maxBytes = 1000) => Spool.open(join(dir, 'queue'), { maxBytes, fsync: true });

describe('a spool', () => {
  it('gives entries back oldest first, also to the next process', async () => {
    const first = await open();
    for (const entry of ['one', 'two', 'three']) await first.add(bytes(entry));
    const second = await open();
    const entries = second.peek(10);
    expect(await Promise.all(entries.map(async (e) => text(await second.read(e))))).toEqual(['one', 'two', 'three']);
    expect([second.length, second.bytes]).toEqual([3, 11]);
  });

  it('forgets an entry once it is removed, and may be told twice', async () => {
    const spool = await open();
    await spool.add(bytes('one'));
    const [entry] = spool.peek();
    await spool.remove(entry!);
    await spool.remove(entry!);
    expect([spool.length, spool.bytes, (await open()).length]).toEqual([0, 0, 0]);
  });

  it('refuses what would pass its bound, and takes it once there is room', async () => {
    const spool = await open(10);
    await spool.add(bytes('12345678'));
    await expect(spool.add(bytes('123'))).rejects.toThrow(SpoolFullError);
    await spool.remove(spool.peek()[0]!);
    await spool.add(bytes('123'));
    expect(spool.bytes).toBe(3);
  });

  it('never shows what was written half', async () => {
    await open();
    await writeFile(join(dir, 'queue', '00000000000001-00000000-abcdef.tmp'), 'half');
    expect((await open()).length).toBe(0);
    expect(await readdir(join(dir, 'queue'))).toEqual([]);
  });

  it('takes many entries at once', async () => {
    const spool = await open(1_000_000);
    await Promise.all(Array.from({ length: 200 }, (_, i) => spool.add(bytes(`entry ${i}`))));
    expect(new Set(spool.peek(500).map((e) => e.name)).size).toBe(200);
    expect((await open()).length).toBe(200);
  });

  it('keeps its files from other users', async () => {
    const spool = await open();
    await spool.add(bytes('secret'));
    const path = join(dir, 'queue', spool.peek()[0]!.name);
    expect([(await stat(join(dir, 'queue'))).mode & 0o777, (await stat(path)).mode & 0o777]).toEqual([0o700, 0o600]);
  });
});
