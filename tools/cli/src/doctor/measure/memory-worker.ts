/*
 * One thread of the measurement of memory bandwidth: it copies a buffer, larger than the processor's caches, to another
 * and back until the time is over. It imports nothing of ours.
 */
import { parentPort, workerData } from 'node:worker_threads';

const { bytes, gate } = workerData as { bytes: number; gate: SharedArrayBuffer };
// Filled here, so that the memory lies with the processor that this thread runs on.
const from = Buffer.alloc(bytes, 1);
const to = Buffer.alloc(bytes, 2);
const state = new Int32Array(gate);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort!.postMessage('ready');
// 0: wait; 1: copy; 2: stop.
Atomics.wait(state, 0, 0);
const began = performance.now();
let copied = 0;
while (Atomics.load(state, 0) === 1) {
  from.copy(to);
  to.copy(from);
  copied += 2 * bytes;
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort!.postMessage({ copied, seconds: (performance.now() - began) / 1000 });
