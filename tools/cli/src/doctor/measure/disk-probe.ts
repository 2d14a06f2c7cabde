/*
 * Measures how fast a volume is read, in a process of its own, so that a file system that does not answer can be left
 * behind. Arguments: a file or folder. It prints one line of JSON.
 *
 * The page cache is gone round: `dd iflag=direct` reads a file that is there (a model), or one that is made for it and
 * has no name any more before its first byte is written, so that nothing stays behind whatever ends this process.
 */
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { volumeOf } from '@vigil/host';
import type { DiskProbe } from './disk.js';

const MIB = 2 ** 20;
const BLOCK = 4 * MIB;
/** A file to read should be so large; of a larger one so much is read. */
const LEAST = 64 * MIB;
const MOST = 1024 * MIB;
/** A file that is made for it has so much. */
const MADE = 256 * MIB;
const WRITE_SECONDS = 1.5;
const READ_SECONDS = 1.5;

/** A file with nothing compressible in it; as much as the time and a twentieth of the space allow. */
function makeFile(folder: string, available: number): { fd: number; bytes: number } {
  const path = join(folder, `.vigil-disk-${randomUUID()}`);
  const fd = openSync(path, 'wx+', 0o600);
  rmSync(path);
  const block = randomBytes(BLOCK);
  const end = performance.now() + WRITE_SECONDS * 1000;
  const most = Math.min(MADE, Math.floor(available / 20));
  let bytes = 0;
  while (bytes + BLOCK <= most && performance.now() < end) {
    block.writeBigUInt64LE(BigInt(bytes));
    bytes += writeSync(fd, block, 0, BLOCK, bytes);
    // Often, so that a slow disk is noticed before much is waiting for it.
    if (bytes % (4 * BLOCK) === 0) fdatasyncSync(fd);
  }
  fdatasyncSync(fd);
  return { fd, bytes };
}

/** Bytes and seconds as GNU dd counts them: it prints them when it ends, and when it is interrupted. */
function readDirect(fd: number, bytes: number): Promise<{ bytes: number; seconds: number }> {
  const args = ['iflag=direct', 'of=/dev/null', `bs=${BLOCK}`, `count=${Math.floor(bytes / BLOCK)}`];
  const dd = spawn('dd', args, { stdio: [fd, 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
  let said = '';
  dd.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const timer = setTimeout(() => dd.kill('SIGINT'), READ_SECONDS * 1000);
  return new Promise((resolve, reject) => {
    dd.once('error', (error) => reject(new Error(`dd could not be started: ${error.message}`)));
    dd.once('close', () => {
      clearTimeout(timer);
      const [, count, seconds] = /^(\d+) bytes .*copied, ([\d.e+-]+) s/m.exec(said) ?? [];
      if (Number(count) > 0 && Number(seconds) > 0) resolve({ bytes: Number(count), seconds: Number(seconds) });
      else reject(new Error(`dd can not read it past the page cache: ${said.trim().split('\n')[0] ?? ''}`));
    });
  });
}

async function probe(path: string): Promise<DiskProbe> {
  const volume = volumeOf(path);
  const { isFile, length } = ((s) => ({ isFile: s.isFile(), length: s.size }))(statSync(path));
  const about = {
    mountPoint: volume.mountPoint,
    fileSystem: volume.fileSystem,
    disks: volume.disks,
    network: volume.network,
    rotational: volume.rotational,
  };
  const existing = isFile && length >= LEAST;
  const folder = isFile ? join(path, '..') : path;
  const file = existing
    ? { fd: openSync(path, 'r'), bytes: Math.min(length, MOST) }
    : makeFile(folder, volume.available);
  try {
    if (file.bytes < 4 * BLOCK)
      throw new Error('there is too little free space, or it is too slow, to write a file to read');
    return { ...about, ...(await readDirect(file.fd, file.bytes)) };
  } finally {
    closeSync(file.fd);
  }
}

try {
  console.log(JSON.stringify(await probe(process.argv[2]!)));
} catch (error) {
  console.log(JSON.stringify({ problem: (error as Error).message }));
}
