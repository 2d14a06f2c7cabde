import { createServer } from 'node:net';
import { join } from 'node:path';
import { docker, run } from './docker.js';
import { rowOf } from './life.js';
import type { Project } from './project.js';
import { ROOT } from './root.js';

function demand(output: string, wanted: RegExp): void {
  if (!wanted.test(output)) throw new Error(`${wanted} was expected, and this was said:\n${output.slice(-1500)}`);
}

/** A port that another program holds: the engine names it, and the other containers stay as they are. */
export async function takenPort(project: Project): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  try {
    await new Promise((done) => server.once('listening', done));
    const { port } = server.address() as { port: number };
    const { code, output } = await project.try(['up', '-d', '--no-deps', 'prometheus'], {
      PROMETHEUS_PORT: String(port),
    });
    if (code === 0) throw new Error('The stack took a port that is taken.');
    demand(output, new RegExp(`${port}.*(in use|allocated)`));
  } finally {
    server.close();
  }
  await project.do(['up', '-d', '--no-deps', 'prometheus']);
  await project.healthy('prometheus');
}

/** Secrets that are newer than the data: nothing starts on them, and with the old password all is there again. */
export async function wrongPassword(project: Project, services: readonly string[], row: string): Promise<void> {
  const shown = await project.do(['run', '--rm', '--no-deps', 'setup', 'node', 'setup.mjs', 'show']);
  const password = /postgres_password: (\S+)/.exec(shown.output)?.[1];
  if (password === undefined) throw new Error(`The secrets were not shown:\n${shown.output}`);
  await project.do(['down']);
  await docker('volume', 'rm', project.volume('secrets'));
  const { code } = await project.try(['up', '-d', ...services]);
  if (code === 0) throw new Error('The stack started with a wrong password.');
  demand(await project.logs('postgres-password'), /PostgreSQL refuses the stack's password.*Nothing was changed\./s);
  await project.do(['down']);
  await docker('volume', 'rm', project.volume('secrets'));
  await project.do(['up', '-d', ...services], { POSTGRES_PASSWORD: password });
  await project.healthy('api');
  await rowOf(project, row);
}

/** A volume with the given content under another name, opened as PostgreSQL's. */
async function volumeSays(project: Project, image: string, prepare: string, wanted: RegExp): Promise<void> {
  const volume = `${project.name}-bad`;
  await docker('volume', 'create', volume);
  try {
    const mount = ['-v', `${volume}:/data`];
    await docker('run', '--rm', '--user', '0', '--entrypoint', 'sh', ...mount, image, '-c', prepare);
    const list = 'ls -lAn /data; cat /data/* 2>/dev/null || true';
    const look = () => docker('run', '--rm', '--user', '0', '--entrypoint', 'sh', ...mount, image, '-c', list);
    const before = await look();
    const check = [
      '-v',
      `${join(ROOT, 'deploy/compose/postgres')}:/etc/vigil:ro`,
      '-e',
      'PGDATA=/data',
      '--user',
      '999',
    ];
    const options = ['--rm', '--read-only', '--tmpfs', '/tmp', '--entrypoint', 'sh', ...mount, ...check];
    const { code, output } = await run('docker', ['run', ...options, image, '/etc/vigil/check-volume.sh']);
    if (code === 0) throw new Error(`The volume was taken:\n${output}`);
    demand(output, wanted);
    if ((await look()) !== before) throw new Error('The volume was changed.');
  } finally {
    await docker('volume', 'rm', volume);
  }
}

export function olderPostgres(project: Project, image: string): Promise<void> {
  const prepare = 'echo 13 >/data/PG_VERSION && echo rows >/data/rows && chown -R 999 /data';
  return volumeSays(
    project,
    image,
    prepare,
    /made by PostgreSQL 13, and this is PostgreSQL \d+, .*Nothing was changed\./s,
  );
}

export function unwritablePostgres(project: Project, image: string): Promise<void> {
  return volumeSays(
    project,
    image,
    'chmod 755 /data && chown 0 /data',
    /can not be written by user 999.*Nothing was changed\./s,
  );
}

/** A volume of ours that belongs to somebody else. */
export async function unwritable(project: Project, image: string): Promise<void> {
  const volume = project.volume('collector');
  const own = (user: string) =>
    docker('run', '--rm', '--user', '0', '-v', `${volume}:/data`, image, 'chown', user, '/data');
  await own('0:0');
  try {
    const { code, output } = await project.try(['run', '--rm', '--no-deps', 'setup']);
    if (code === 0) throw new Error('The setup took a volume that can not be written.');
    demand(
      output,
      /The volume at \/volumes\/collector can not be written by user 1000 \(EACCES\)\..*Nothing was changed\./s,
    );
  } finally {
    await own('1000:1000');
  }
}

/** GPUs asked for where the engine has none. */
export async function noGpuRuntime(project: Project): Promise<void> {
  const { code, output } = await project.try(['run', '--rm', '--no-deps', 'collector'], {}, ['deploy/compose/gpu.yml']);
  if (code === 0) throw new Error('The collector started with GPUs.');
  demand(output, /could not select device driver "?nvidia/);
}
