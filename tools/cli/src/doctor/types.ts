import type { FactsReading, GpuReading } from '@vigil/gpu';
import type { Roots } from '@vigil/host';
import type { Named } from '../size/subject.js';

/** `skip`: it could not be found out here, or does not apply. */
export type Status = 'pass' | 'warn' | 'fail' | 'skip';

/** What a check found. */
export interface Finding {
  status: Status;
  /** What was measured or read, short; `null` where nothing was. */
  measured: string | null;
  /** Why that is good, bad or of no account: a sentence. */
  reason: string;
  /** What to do about it, where something is to be done. */
  remedy?: string;
  /** The figures behind `measured`, for programs: bytes, seconds, bytes a second. */
  values?: Readonly<Record<string, number | string | null>>;
}

export interface Row extends Finding {
  id: string;
  title: string;
}

/** What the GPU source and nvidia-smi tell, each asked once for all checks. */
export interface Gpus {
  reading: GpuReading;
  facts: FactsReading;
}

export interface Context {
  env: Readonly<Record<string, string | undefined>>;
  /** Where `/proc` and `/sys` are. */
  roots: Roots;
  /** Where the system's configuration is: `/etc`. */
  etc: string;
  gpus(): Promise<Gpus>;
  /** What is to be served, if it was named. */
  subject: Named | undefined;
  /** Another machine of the deployment: `host` or `host:port`. */
  peer: string | undefined;
  /** A file or folder on the volume that holds models. */
  volume: string;
  /** Whether to leave out what loads memory and disk. */
  quick: boolean;
}

export interface Check {
  id: string;
  title: string;
  /** Whether it loads the machine: such checks run one after the other. */
  heavy?: boolean;
  /** Whatever it throws becomes its row. */
  run(context: Context): Finding | Promise<Finding>;
}

export const QUICK = 'Left out, as --quick asks.';

export const pass = (measured: string | null, reason: string): Finding => ({ status: 'pass', measured, reason });
export const skip = (reason: string, measured: string | null = null): Finding => ({ status: 'skip', measured, reason });
export const warn = (measured: string | null, reason: string, remedy: string): Finding => ({
  status: 'warn',
  measured,
  reason,
  remedy,
});
export const fail = (measured: string | null, reason: string, remedy: string): Finding => ({
  status: 'fail',
  measured,
  reason,
  remedy,
});
