import { execFileSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface SystemUser {
  uid: number;
  gid: number;
}

const NAME = 'vigil-postgres';

/**
 * PostgreSQL refuses to run as root, so root gives it a user of its own, made on first use.
 * @returns `undefined` for everybody else, who run it as themselves
 * @throws Error when the user can't be made
 */
export function userForPostgres(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const known = lookUp();
  if (known) return known;
  try {
    execFileSync('useradd', ['--system', '--no-create-home', '--user-group', '--shell', '/usr/sbin/nologin', NAME], {
      stdio: 'pipe',
      // Debian's `su` leaves root without the folder that has it.
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
    });
  } catch (error) {
    // Another process may have made it in the same moment.
    const made = lookUp();
    if (made) return made;
    throw new Error(
      `PostgreSQL does not run as root, and the user "${NAME}" for it could not be made (${String((error as Error).message).split('\n')[0]}). Make it by hand, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause: error },
    );
  }
  return lookUp();
}

function lookUp(): SystemUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${NAME}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** Whether any user may reach a path: every folder above it lets others pass. */
export async function isOpenTo(path: string): Promise<boolean> {
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found && (found.mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
