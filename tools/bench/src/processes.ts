import { readdir, readFile } from 'node:fs/promises';

/** `sysconf(_SC_CLK_TCK)` of every Linux that Node.js runs on. */
const TICKS_A_SECOND = 100;

interface Stat {
  pid: number;
  parent: number;
  /** Seconds, of the process and of its children that ended. */
  cpu: number;
}

async function stats(): Promise<Stat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)));
  return found.flatMap((text, i) => {
    if (text === undefined) return [];
    // The name, in brackets, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return [{ pid: Number(pids[i]), parent: Number(fields[1]), cpu: ticks / TICKS_A_SECOND }];
  });
}

export async function childrenOf(pid: number): Promise<Stat[]> {
  return (await stats()).filter(({ parent }) => parent === pid);
}

/** The children of this process. */
export const children = (): Promise<Stat[]> => childrenOf(process.pid);

/** CPU seconds that the children of this process have taken so far, those included that they started and that ended. */
export async function childrenCpu(): Promise<number> {
  return (await children()).reduce((sum, { cpu }) => sum + cpu, 0);
}

/** Memory of a process in bytes: resident, its fair share of what is shared, and what is its alone. */
export async function memoryOf(pid: number): Promise<{ rss: number; pss: number; uss: number }> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
  const bytes = (n: number): number => n * 1024;
  return {
    rss: bytes(kib('Rss')),
    pss: bytes(kib('Pss')),
    uss: bytes(kib('Private_Clean') + kib('Private_Dirty')),
  };
}
