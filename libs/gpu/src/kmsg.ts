import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errorMessage, type Logger } from '@vigil/service';
import { kernelGpu, kernelMessage, kernelXid, type KernelGpu, type KernelXid } from './kmsg-line.js';

/** The kernel gives one record a reading, of 8 KiB at most; a reading with less room fails. */
const ROOM_BYTES = 16 * 1024;
/** Readings in a row before others have their turn. */
const MAX_READS = 256;
/** A storm of XIDs says nothing more than its first hundred. */
const MAX_XIDS = 100;

/** What a watcher needs of the file system; another one stands in for what a kernel cannot be made to do. */
export interface KernelLogFile {
  open(path: string): number;
  read(file: number, buffer: Buffer): number;
  close(file: number): void;
}

const FILE: KernelLogFile = {
  open: (path) => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
  read: (file, buffer) => readSync(file, buffer, 0, buffer.length, null),
  close: closeSync,
};

export interface KernelLogOptions {
  path: string;
  onXid: (xid: KernelXid, time: Date) => void;
  /** What the driver says of where its GPUs sit, also before the watch began. */
  onGpu?: (gpu: KernelGpu) => void;
  log: Logger;
  /** Time between two looks, in seconds. */
  pollSeconds?: number;
  now?: () => Date;
  file?: KernelLogFile;
}

/**
 * Follows the kernel's log from now on. Every reading returns at once, with a record or with none, so that a silent
 * log holds nothing up. A log that is missing or that this user may not read is said once, and left alone.
 */
export class KernelLog {
  private readonly file: KernelLogFile;
  private readonly buffer = Buffer.alloc(ROOM_BYTES);
  private descriptor: number | undefined;
  private timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  /** What was there before the watch began is read over. */
  private old = true;
  private rest = '';
  private xids = 0;

  constructor(private readonly options: KernelLogOptions) {
    this.file = options.file ?? FILE;
  }

  start(): void {
    const { path, log } = this.options;
    try {
      this.descriptor = this.file.open(path);
    } catch (error) {
      const reason = errorMessage(error);
      log.info({ path, reason }, `XIDs are not read from the kernel's log: ${remedy(error, path)}`);
      return;
    }
    this.look();
  }

  close(): void {
    clearTimeout(this.timer as NodeJS.Timeout | undefined);
    clearImmediate(this.timer as NodeJS.Immediate | undefined);
    const descriptor = this.descriptor;
    this.descriptor = undefined;
    if (descriptor !== undefined) this.file.close(descriptor);
  }

  private look(): void {
    const waits = this.readSome();
    if (this.descriptor === undefined) return;
    if (!waits) {
      this.timer = setImmediate(() => this.look());
      return;
    }
    this.old = false;
    if (this.xids > MAX_XIDS)
      this.options.log.warn({ xids: this.xids, told: MAX_XIDS }, 'XIDs come faster than they are told');
    this.xids = 0;
    this.timer = setTimeout(() => this.look(), (this.options.pollSeconds ?? 1) * 1000);
    this.timer.unref();
  }

  /** @returns whether nothing is left to read now */
  private readSome(): boolean {
    for (let reads = 0; reads < MAX_READS && this.descriptor !== undefined; reads++) {
      let size: number;
      try {
        size = this.file.read(this.descriptor, this.buffer);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EAGAIN') return true;
        // Records were overwritten before we came to them: the next reading goes on with the oldest that is left.
        if (code === 'EPIPE' || code === 'EINTR') continue;
        this.options.log.warn({ path: this.options.path, reason: errorMessage(error) }, "the kernel's log broke off");
        this.close();
        return true;
      }
      if (size === 0) return true;
      this.take(this.buffer.toString('latin1', 0, size));
    }
    return false;
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!.slice(-ROOM_BYTES);
    for (const line of lines) {
      const message = kernelMessage(line);
      if (message === null || !message.startsWith('NVRM:')) continue;
      const gpu = kernelGpu(message);
      if (gpu !== null) this.options.onGpu?.(gpu);
      const xid = this.old ? null : kernelXid(message);
      if (xid !== null && ++this.xids <= MAX_XIDS) this.options.onXid(xid, this.options.now?.() ?? new Date());
    }
  }
}

function remedy(error: unknown, path: string): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `${path} is not here (in a container, hand it the device /dev/kmsg)`;
    case 'EACCES':
    case 'EPERM':
      return `this user may not read ${path} (it takes root or CAP_SYSLOG)`;
    default:
      return `${path} cannot be opened`;
  }
}
