import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { SHARED_STATE, type Binaries } from './binaries.js';
import { isOpenTo, type SystemUser } from './system-user.js';

const run = promisify(execFile);

export interface Cluster {
  folder: string;
  password: string;
}

/** The folder a cluster lies in: the wanted one, or one that the user of PostgreSQL may enter. */
export async function clusterFolder(wanted: string, user: SystemUser | undefined): Promise<string> {
  const folder = resolve(wanted);
  if (user === undefined || (await isOpenTo(folder))) return folder;
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  return join(SHARED_STATE, 'clusters', name);
}

/**
 * Makes the cluster where there is none yet, whole or not at all. Its password is random and lies beside it, readable
 * by its owner alone.
 * @throws Error when the folder holds another major version of PostgreSQL, or can't be written
 */
export async function prepareCluster(
  folder: string,
  binaries: Binaries,
  user: SystemUser | undefined,
): Promise<Cluster> {
  const passwordFile = `${folder}.password`;
  const version = await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version !== undefined) {
    if (version.trim() !== binaries.major)
      throw new Error(
        `${folder} holds data of PostgreSQL ${version.trim()}, and this Vigil brings PostgreSQL ${binaries.major}. Move the folder away, or set DATABASE_URL to a PostgreSQL ${version.trim()} that serves it.`,
      );
    return { folder, password: (await readFile(passwordFile, 'utf8')).trim() };
  }
  const password = randomBytes(24).toString('base64url');
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  if (user) await chown(unfinished, user.uid, user.gid);
  const handover = join(dirname(unfinished), `.password-${randomBytes(6).toString('hex')}`);
  await writeFile(handover, password, { mode: 0o600 });
  if (user) await chown(handover, user.uid, user.gid);
  try {
    const args = ['--pgdata', unfinished, '--username', 'vigil', '--pwfile', handover, '--auth', 'scram-sha-256'];
    await run(binaries.initdb, [...args, '--encoding', 'UTF8', '--no-locale', '--no-instructions'], {
      ...user,
      cwd: dirname(unfinished),
      env: { PATH: process.env.PATH, TZ: 'UTC' },
    });
  } catch (error) {
    throw new Error(
      `PostgreSQL could not make its data folder ${folder}: ${(error as { stderr?: string }).stderr?.trim() || String(error)}`,
      { cause: error },
    );
  } finally {
    await rm(handover, { force: true });
  }
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await rename(unfinished, folder);
  return { folder, password };
}

/**
 * Ends a server that outlived whoever started it (killed outright, it could not stop its PostgreSQL), so that the
 * cluster can be started again.
 */
export async function stopLeftOver(folder: string): Promise<boolean> {
  const file = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(file.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !(await servesFolder(pid, folder))) return false;
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return true;
    }
    for (let i = 0; i < 100; i++) {
      if (!isAlive(pid)) return true;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  throw new Error(`A PostgreSQL (process ${pid}) still serves ${folder} and does not stop. End it, then start again.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Process numbers are given out again: only one whose command line names the folder is ours. */
async function servesFolder(pid: number, folder: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if ((await stat('/proc/self').catch(() => undefined)) === undefined) return true;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(folder);
}
