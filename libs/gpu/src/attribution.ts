import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { containerOf, isRuntime, readStat, type Stat } from './process-facts.js';
import type { GpuSample } from './types.js';

/** The first PID namespace of a Linux, a constant of the kernel (PROC_PID_INIT_INO): the one whose PIDs drivers tell. */
const HOST_NAMESPACE = 'pid:[4026531836]';
/** How long what is known of a process that is still there holds, in seconds; a PID may have been given anew. */
const KNOWN_SECONDS = 60;
/** A command line cannot be read while the kernel changes the process's memory; a hung driver may do so for ever. */
const PATIENCE_SECONDS = 1;
const MAX_ANCESTORS = 8;

export interface AttributionOptions {
  /** Where the host's `/proc` is mounted. Unless it is given, one's own is used, if it is the host's. */
  hostProc?: string;
  /** One's own, `/proc` unless set. */
  proc?: string;
  /** Seconds of a clock that never jumps. */
  now?: () => number;
}

interface Known {
  start: string;
  checked: number;
  container: string | null;
  runtime: boolean;
}

/**
 * Says of the processes of samples in which container they run and whether they are Vigil's runtime, whatever the
 * source was. Each process is looked at once, by its PID and the time when it began. Nothing is said of a recording,
 * nor where the PIDs of drivers, which are the host's, mean other processes here.
 */
export class ProcessAttribution {
  private readonly known = new Map<number, Known>();
  private readonly proc: string;
  private readonly now: () => number;
  private hostPids: boolean | undefined;
  private looking: Promise<void> | undefined;

  constructor(options: AttributionOptions = {}) {
    this.proc = options.hostProc ?? options.proc ?? '/proc';
    this.now = options.now ?? (() => performance.now() / 1000);
    if (options.hostProc !== undefined) this.hostPids = true;
  }

  /** Whether PIDs as drivers tell them can be looked up here. */
  async sees(): Promise<boolean> {
    this.hostPids ??= (await readlink(join(this.proc, 'self/ns/pid')).catch(() => '')) === HOST_NAMESPACE;
    return this.hostPids;
  }

  /** The same samples with what is known of their processes. Never throws, never takes much longer than a second. */
  async annotate(samples: GpuSample[]): Promise<GpuSample[]> {
    const pids = new Set(samples.flatMap((s) => (s.replay ? [] : s.processes.map((p) => p.pid))));
    for (const pid of this.known.keys()) if (!pids.has(pid)) this.known.delete(pid);
    if (pids.size === 0 || !(await this.sees())) return samples;
    const unsure = [...pids].filter((pid) => {
      const known = this.known.get(pid);
      return known === undefined || this.now() - known.checked >= KNOWN_SECONDS;
    });
    if (unsure.length > 0) await this.lookWithin(unsure);
    return samples.map((sample) =>
      sample.replay
        ? sample
        : {
            ...sample,
            processes: sample.processes.map((process) => {
              const known = this.known.get(process.pid);
              return { ...process, container: known?.container ?? null, runtime: known?.runtime ?? false };
            }),
          },
    );
  }

  /** One look at a time, one file at a time: what hangs holds one of Node's threads, not all. */
  private async lookWithin(pids: readonly number[]): Promise<void> {
    if (this.looking !== undefined) return;
    const looking = (this.looking = this.lookAll(pids).finally(() => {
      this.looking = undefined;
    }));
    const late = new AbortController();
    await Promise.race([
      looking,
      sleep(PATIENCE_SECONDS * 1000, undefined, { signal: late.signal, ref: false }).catch(() => undefined),
    ]);
    late.abort();
  }

  private async lookAll(pids: readonly number[]): Promise<void> {
    for (const pid of pids) {
      const stat = await this.stat(pid);
      const known = this.known.get(pid);
      if (stat === null) this.known.delete(pid);
      else if (known?.start === stat.start) known.checked = this.now();
      else this.known.set(pid, await this.look(pid, stat));
    }
  }

  private async look(pid: number, stat: Stat): Promise<Known> {
    return {
      start: stat.start,
      checked: this.now(),
      container: containerOf(await this.text(pid, 'cgroup')),
      runtime: await this.descends(pid, stat),
    };
  }

  /** Whether it is a process of the runtime, or comes from one. */
  private async descends(pid: number, stat: Stat | null): Promise<boolean> {
    for (let i = 0; i < MAX_ANCESTORS && pid > 1 && stat !== null; i++) {
      if (isRuntime(await this.text(pid, 'cmdline'))) return true;
      pid = stat.parent;
      stat = await this.stat(pid);
    }
    return false;
  }

  private async stat(pid: number): Promise<Stat | null> {
    return readStat(await this.text(pid, 'stat'));
  }

  /** Empty where it cannot be read: the process has ended, or is another user's. */
  private text(pid: number, name: string): Promise<string> {
    return readFile(join(this.proc, String(pid), name), 'utf8').catch(() => '');
  }
}
