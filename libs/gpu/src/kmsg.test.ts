import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@vigil/service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KernelGpu, KernelXid } from './kmsg-line.js';
import { readPciGpus } from './kmsg-pci.js';
import { KernelLog, type KernelLogFile } from './kmsg.js';

const PATIENCE = { timeout: 20_000, interval: 10 };
let sequence = 0;
/** A record as the kernel writes it, with a property behind it. */
const record = (message: string): string => `4,${++sequence},${sequence * 1000},-;${message}\n SUBSYSTEM=pci\n`;
const xid = (code: number): string => record(`NVRM: Xid (PCI:0000:3b:00): ${code}, pid=1, name=python3`);

describe('KernelLog', () => {
  let folder: string;
  let lines: string[];
  let log: Logger;
  let xids: KernelXid[];
  let gpus: KernelGpu[];
  let watch: KernelLog | undefined;

  const open = (path: string, file?: KernelLogFile): KernelLog => {
    watch = new KernelLog({
      path,
      onXid: (found, time) => {
        expect(time).toBeInstanceOf(Date);
        xids.push(found);
      },
      onGpu: (gpu) => gpus.push(gpu),
      log,
      pollSeconds: 0.005,
      ...(file && { file }),
    });
    watch.start();
    return watch;
  };
  const codes = (): number[] => xids.map((x) => x.code);
  const told = (...wanted: number[]): Promise<void> => vi.waitFor(() => expect(codes()).toEqual(wanted), PATIENCE);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigil-kmsg-'));
    [lines, xids, gpus] = [[], [], []];
    const at = (level: string) => (fields: object, text: string) =>
      lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
    log = { info: at('info'), warn: at('warn') } as unknown as Logger;
  });
  afterEach(async () => {
    watch?.close();
    watch = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  it('follows a log from now on, in whatever pieces it comes', async () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    // Both ways, so that neither end waits for the other.
    const writer = openSync(path, 'r+');
    try {
      writeSync(writer, xid(62));
      open(path);
      writeSync(writer, xid(79) + record('usb 1-1: new device'));
      const split = xid(31);
      writeSync(writer, split.slice(0, 20));
      await told(79);
      writeSync(writer, split.slice(20) + xid(94));
      await told(79, 31, 94);
      expect(xids[0]).toEqual({
        code: 79,
        address: '0000:3b:00',
        instance: null,
        message: 'NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=python3',
      });
    } finally {
      closeSync(writer);
    }
  });

  it('reads over what was there, however much, but learns where GPUs sit', async () => {
    const path = join(folder, 'log');
    const uuid = 'GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7';
    await writeFile(path, record(`NVRM: GPU at PCI:0000:3b:00: ${uuid}`) + xid(48).repeat(100_000));
    open(path);
    expect(xids).toEqual([]);
    await vi.waitFor(() => expect(gpus).toEqual([{ address: '0000:3b:00', uuid }]), PATIENCE);
    // Until the old part is read over, what is added counts as old: it is added until it is told.
    await vi.waitFor(async () => {
      await appendFile(path, xid(79));
      expect(codes()).toContain(79);
    }, PATIENCE);
    expect(codes()).not.toContain(48);
  });

  it('goes on where the kernel has overwritten records that were not read yet', async () => {
    const answers: (string | NodeJS.ErrnoException['code'])[] = ['EAGAIN', 'EPIPE', xid(79), 'EPIPE', 'EINTR', xid(31)];
    open('/dev/kmsg', scripted(answers));
    await told(79, 31);
    expect(lines).toEqual([]);
  });

  it('has its turn, and no more, while records come without end', async () => {
    let reads = 0;
    let closed = 0;
    const endless: KernelLogFile = {
      open: () => 7,
      read: (_, buffer) => (reads++, buffer.write(record('noise'), 'latin1')),
      close: () => void closed++,
    };
    open('/dev/kmsg', endless);
    await vi.waitFor(() => expect(reads).toBeGreaterThan(1000), PATIENCE);
    watch!.close();
    const before = reads;
    await new Promise((done) => setTimeout(done, 30));
    expect([reads, closed]).toEqual([before, 1]);
  });

  it('tells the first hundred of a storm, and that there were more', async () => {
    open('/dev/kmsg', scripted(['EAGAIN', ...Array.from({ length: 250 }, () => xid(13)), 'EAGAIN', xid(79)]));
    await vi.waitFor(() => expect(codes().at(-1)).toBe(79), PATIENCE);
    expect(codes()).toHaveLength(101);
    expect(lines).toEqual([expect.stringMatching(/^warn XIDs come faster.*"xids":250/)]);
  });

  it.each([
    ['ENOENT', /not here/],
    ['EACCES', /may not read/],
    ['EPERM', /may not read/],
  ])('says once that a log cannot be read: %s', async (code, text) => {
    open('/dev/kmsg', {
      open: () => {
        throw Object.assign(new Error(code), { code });
      },
      read: () => expect.fail('nothing is open'),
      close: () => expect.fail('nothing is open'),
    });
    await new Promise((done) => setTimeout(done, 20));
    expect(lines).toEqual([expect.stringMatching(text)]);
  });

  it('says of a missing file what to do, and once of one that breaks off', async () => {
    open(join(folder, 'nothing'));
    expect(lines).toEqual([expect.stringMatching(/^info XIDs are not read from the kernel's log: .*is not here/)]);
    lines = [];
    open(folder);
    await vi.waitFor(() => expect(lines).toEqual([expect.stringMatching(/broke off.*EISDIR/)]), PATIENCE);
    await new Promise((done) => setTimeout(done, 20));
    expect(lines).toHaveLength(1);
  });
});

/** Answers one reading after another: a record, or an error by its code; then nothing more. */
function scripted(answers: readonly (string | undefined)[]): KernelLogFile {
  let next = 0;
  return {
    open: () => 7,
    read: (_, buffer) => {
      const answer = answers[next++] ?? 'EAGAIN';
      if (/^E[A-Z]+$/.test(answer)) throw Object.assign(new Error(answer), { code: answer });
      return buffer.write(answer, 'latin1');
    },
    close: () => undefined,
  };
}

describe('readPciGpus', () => {
  it("reads the driver's folder, and nothing where there is none", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-pci-'));
    const uuid = 'GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7';
    const gpu = async (name: string, information: string): Promise<void> => {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'information'), information);
    };
    try {
      await gpu('0000:3b:00.0', `Model: \t\t NVIDIA H200\nIRQ:   \t\t 18\nGPU UUID: \t ${uuid}\nBus Type: \t PCIe\n`);
      await gpu('0000:5e:00.0', 'Model: NVIDIA H200\nGPU UUID: GPU-????????-????-????-????-????????????\n');
      await gpu('odd', `GPU UUID: ${uuid}\n`);
      await mkdir(join(folder, '0000:86:00.0'));
      expect([...(await readPciGpus(folder))]).toEqual([['0000:3b:00', uuid]]);
      expect((await readPciGpus(join(folder, 'nothing'))).size).toBe(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
