import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '@vigil/service';

/** What a running launcher writes down for others on the machine: a second start, the demo, tests. */
export interface RunState {
  pid: number;
  /** By name: `runtime`, `api`, `otlp`, `metrics`, `prometheus`. Empty until everything is up. */
  addresses: Record<string, string>;
  /** Process numbers by name. */
  processes: Record<string, number>;
  /** Whether its alerts go to somebody: then nobody may be woken for a demonstration. */
  tellsPeople: boolean;
  /** Holds a password: the file is readable by its owner alone. */
  databaseUrl: string;
}

const file = (dataDir: string): string => join(dataDir, 'launcher.json');

/** The state of the launcher that runs on this data folder, if one does. */
export function readState(dataDir: string): RunState | undefined {
  const state = parseState(dataDir);
  return state && isLauncher(state.pid) ? state : undefined;
}

function parseState(dataDir: string): RunState | undefined {
  try {
    return JSON.parse(readFileSync(file(dataDir), 'utf8')) as RunState;
  } catch {
    return undefined;
  }
}

/**
 * Takes the data folder for this process.
 * @throws UserError when another launcher holds it
 */
export async function claim(dataDir: string): Promise<void> {
  const draft = `${file(dataDir)}.${process.pid}`;
  try {
    await mkdir(dataDir, { recursive: true });
    // Written aside and linked: whoever reads it finds it whole.
    await writeFile(draft, JSON.stringify(emptyState()), { mode: 0o600 });
  } catch (error) {
    throw cannotWrite(dataDir, error);
  }
  try {
    for (;;) {
      try {
        return await link(draft, file(dataDir));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(dataDir, error);
        const other = readState(dataDir);
        if (other && other.pid !== process.pid) throw alreadyRuns(other);
        await endLeftOvers(dataDir);
        await rm(file(dataDir), { force: true });
      }
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * Ends what a launcher that was killed outright could not stop and what does not stop by itself: other people's programs.
 * Only a process whose command line names this data folder is one of them.
 */
async function endLeftOvers(dataDir: string): Promise<void> {
  const { processes = {} } = parseState(dataDir) ?? {};
  for (const pid of Object.values(processes)) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!commandLine.includes(`${dataDir}/`)) continue;
    process.kill(pid, 'SIGTERM');
    for (let i = 0; i < 100 && existsSync(`/proc/${pid}`); i++) await new Promise((done) => setTimeout(done, 50));
  }
}

export const emptyState = (): RunState => ({
  pid: process.pid,
  addresses: {},
  processes: {},
  tellsPeople: false,
  databaseUrl: '',
});

export async function writeState(dataDir: string, state: RunState): Promise<void> {
  await writeFile(file(dataDir), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
}

export function release(dataDir: string): void {
  if (readState(dataDir)?.pid === process.pid) unlinkSync(file(dataDir));
}

function alreadyRuns({ pid, addresses }: RunState): UserError {
  const where = Object.entries(addresses).map(([name, address]) => `  ${name.padEnd(11)} ${address}`);
  return new UserError(
    [
      `Vigil already runs here, as process ${pid}${where.length > 0 ? ':' : '; it is still starting.'}`,
      ...where,
      `Stop it with Ctrl-C where it was started (or: kill ${pid}). For a second one beside it, set DATA_DIR and other ports.`,
    ].join('\n'),
  );
}

function cannotWrite(dataDir: string, error: unknown): UserError {
  return new UserError(
    `The folder ${dataDir} can't be written (${(error as NodeJS.ErrnoException).code ?? String(error)}). Set DATA_DIR to one that can, or mend its permissions.`,
  );
}

/** Process numbers are given out again: where the system tells, the command line must be a launcher's. */
function isLauncher(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    return /launch|demo|vitest/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}
