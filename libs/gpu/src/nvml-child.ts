/*
 * The process that calls NVML, so that it can be killed when the driver hangs: the parent forks it as the leader of a
 * process group. Its argument is the library, a name or a path. It answers each question once.
 */
import koffi from 'koffi';
import type { Question } from './forked-source.js';
import type { NvmlAnswer } from './nvml.js';
import { NvmlReader, type NvmlResult } from './nvml-read.js';
import { oneLine } from './quantity.js';

/**
 * Has the kernel kill this process with its parent (prctl, PR_SET_PDEATHSIG): while a call hangs, nothing here would
 * notice that the parent vanished.
 */
function dieWithParent(): void {
  try {
    const parent = process.ppid;
    koffi.load(null).func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong'])(1, 9, 0, 0, 0);
    if (process.ppid !== parent) process.exit(0);
  } catch {
    // Not Linux: what remains is the lost connection below.
  }
}

const reader = new NvmlReader(process.argv[2]);

function read(): NvmlResult {
  try {
    return reader.read();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { state: 'failed', kind: 'error', reason: `NVML could not be read: ${oneLine(message)}` };
  }
}

dieWithParent();
process.on('message', ({ id }: Question) => {
  const answer: NvmlAnswer = { id, ...read(), events: reader.takeEvents() };
  if (process.connected) process.send?.(answer, () => undefined);
});
process.on('disconnect', () => process.exit(0));
