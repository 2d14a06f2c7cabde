import { CODE, LibraryError, NvmlLibrary } from './nvml-abi.js';
import { endingKind, meaningOf, NvmlError } from './nvml-codes.js';
import type { NvmlGpu } from './nvml-device.js';
import { NvmlSession, type NvmlXid } from './nvml-session.js';
import { oneLine } from './quantity.js';
import type { GpuFailureKind } from './types.js';

export type NvmlResult =
  | { state: 'up'; gpus: NvmlGpu[]; notes: string[] }
  | { state: 'none'; reason: string }
  | { state: 'failed'; kind: GpuFailureKind; reason: string };

/** The preset name of the library. */
export const LIBRARY = 'libnvidia-ml.so.1';
/** Every how many cycles is asked for what is slow to read or changes rarely. */
export const SLOW_EVERY = 4;
/** Every how many cycles NVML is initialised anew while it names fewer GPUs than it once did. */
export const RENEW_EVERY = 20;
/** Events that wait to be handed on. */
const MAX_EVENTS = 1024;

/**
 * Reads all GPUs of this machine through NVML. Synchronous: a hanging driver hangs it, so it belongs in a process that
 * can be killed. After a failed cycle NVML is shut down, and initialised anew by the next.
 */
export class NvmlReader {
  private library: NvmlLibrary | undefined;
  private initialised = false;
  private session: NvmlSession | undefined;
  private cycles = 0;
  /** The most GPUs that NVML has named. */
  private most = 0;
  private events: NvmlXid[] = [];

  constructor(private readonly name: string = LIBRARY) {}

  read(): NvmlResult {
    try {
      const session = this.begin();
      session.drain((event) => this.keep(event));
      const slow = this.cycles % SLOW_EVERY === 0;
      const { gpus, notes } = session.read(slow);
      this.cycles++;
      return { state: 'up', gpus, notes };
    } catch (error) {
      this.drainQuietly();
      this.close();
      if (error instanceof NvmlError) return { state: 'failed', kind: error.kind, reason: error.message };
      if (!(error instanceof LibraryError)) throw error;
      const said = `${this.name}: ${oneLine(error.message)}`;
      return error.missing
        ? { state: 'none', reason: `the NVML library is not here, so there is no NVIDIA driver (${said})` }
        : { state: 'failed', kind: 'driver', reason: `the NVML library cannot be loaded (${said})` };
    }
  }

  /** The events since the last time, those of failed cycles too. */
  takeEvents(): NvmlXid[] {
    const events = this.events;
    this.events = [];
    return events;
  }

  /** Shuts NVML down; a later `read` initialises it again. */
  close(): void {
    this.cycles = 0;
    this.shutDown();
    this.session = undefined;
  }

  /** The session, a new one where a GPU was lost: NVML finds one that came back only when it is initialised. */
  private begin(): NvmlSession {
    const former = this.session;
    if (former !== undefined && !this.isStale(former)) return former;
    if (former !== undefined) {
      this.drainQuietly();
      this.shutDown();
    }
    const library = (this.library ??= NvmlLibrary.open(this.name));
    const code = library.call('nvmlInit_v2');
    if (code !== CODE.ok)
      throw new NvmlError(endingKind(code) ?? 'driver', `NVML could not be initialised (${meaningOf(code)})`);
    this.initialised = true;
    this.session = new NvmlSession(library, former);
    this.most = Math.max(this.most, this.session.count);
    return this.session;
  }

  /** Whether the GPUs may be others by now. */
  private isStale(session: NvmlSession): boolean {
    if (session.lost.length > 0) return true;
    if (this.cycles % RENEW_EVERY === 0 && session.count < this.most) return true;
    return this.cycles % SLOW_EVERY === 0 && !session.isCurrent();
  }

  private shutDown(): void {
    if (!this.initialised) return;
    this.session?.close();
    this.library?.call('nvmlShutdown');
    this.initialised = false;
  }

  /** What is still to be had when a session ends, be it for a reason that these calls fail for, too. */
  private drainQuietly(): void {
    if (!this.initialised) return;
    try {
      this.session?.drain((event) => this.keep(event));
    } catch (error) {
      if (!(error instanceof NvmlError)) throw error;
    }
  }

  private keep(event: NvmlXid): void {
    this.events.push(event);
    if (this.events.length > MAX_EVENTS) this.events.shift();
  }
}
