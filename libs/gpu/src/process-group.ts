import { readdir, readFile } from 'node:fs/promises';

/** Sends SIGKILL to a whole process group; one that is gone, or holds only ended processes, is fine. */
export function killGroup(pgid: number): void {
  try {
    process.kill(-pgid, 'SIGKILL');
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/**
 * Whether a group still has a process that runs. One that ended and was not collected (a zombie) holds nothing and does
 * not count: in a container whose first process collects nobody it would stay for ever. One in an uninterruptible wait,
 * as behind a hung driver, does count.
 */
export async function groupRuns(pgid: number): Promise<boolean> {
  try {
    process.kill(-pgid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  if (process.platform !== 'linux') return true;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // `pid (name) state parent group …`; a name may hold spaces and parentheses.
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (group === String(pgid) && state !== 'Z' && state !== 'X') return true;
  }
  return false;
}
