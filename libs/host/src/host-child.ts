/*
 * The process that reads the machine, so that it can be killed when a file system or a driver hangs: a look at a dead
 * NFS server blocks its thread, and no thread can be ended alone. It answers each question once or, where a volume is
 * asked for, twice: first with what can hardly hang.
 */
import { readMachine } from './machine.js';
import type { Answer, Question } from './host-probe.js';
import { volumeOf } from './volume.js';

function tell(answer: Answer): void {
  if (process.connected) process.send?.(answer, () => undefined);
}

function problemOf(error: unknown, path: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return `${path} does not exist`;
  if (code === 'EACCES' || code === 'EPERM') return `${path} may not be looked at by this user`;
  return `${path} can't be looked at (${code ?? message})`;
}

process.on('message', ({ id, roots, volumePath }: Question) => {
  tell({ id, part: 'machine', machine: readMachine(roots) });
  if (volumePath === null) return;
  // In the next turn: the first part must have left before anything may hang.
  setImmediate(() => {
    try {
      tell({ id, part: 'volume', volume: volumeOf(volumePath, roots), problem: null });
    } catch (error) {
      tell({ id, part: 'volume', volume: null, problem: problemOf(error, volumePath) });
    }
  });
});
// A terminal's Ctrl-C reaches every process of it; the parent decides when this one ends.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
