import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/** Always the build: a worker thread does not run sources that import by the names of the build. */
const WORKER = fileURLToPath(new URL('../../../dist/doctor/measure/memory-worker.js', import.meta.url));
const MIB = 2 ** 20;
/** Memory controllers are busy well before so many threads copy. */
const MOST_THREADS = 64;
/** Of all buffers together: far more than the caches of the largest processors. */
const MOST_BYTES = 4096 * MIB;

export interface Bandwidth {
  /** Bytes read and bytes written, a second, as STREAM counts a copy (https://www.cs.virginia.edu/stream/ref.html). */
  bytesPerSecond: number;
  threads: number;
}

/**
 * Copies memory on all processors at once.
 * @param available bytes that may be taken; an eighth of them is
 * @throws Error where a thread can not be started
 */
export async function measureMemoryBandwidth(available: number, seconds = 0.7): Promise<Bandwidth> {
  const threads = Math.min(availableParallelism(), MOST_THREADS);
  const share = Math.min(MOST_BYTES, available / 8) / threads / 2;
  const bytes = Math.floor(Math.min(Math.max(share, 4 * MIB), 64 * MIB));
  const gate = new SharedArrayBuffer(4);
  const state = new Int32Array(gate);
  const workers = Array.from({ length: threads }, () => new Worker(WORKER, { workerData: { bytes, gate } }));
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const results = Promise.all(workers.map((worker) => once(worker, 'message')));
    set(state, 1);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    set(state, 2);
    const copied = (await results).map(([result]) => result as { copied: number; seconds: number });
    // Each thread by its own clock: they do not stop at the same moment.
    return { bytesPerSecond: copied.reduce((sum, r) => sum + (2 * r.copied) / r.seconds, 0), threads };
  } finally {
    set(state, 2);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function set(state: Int32Array, value: number): void {
  Atomics.store(state, 0, value);
  Atomics.notify(state, 0);
}
