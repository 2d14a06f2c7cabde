import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The program's name on this machine; undefined where it is not installed. For tests. */
export const ALERTMANAGER = ['prometheus-alertmanager', 'alertmanager'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);

export interface RunningAlertmanager {
  url: string;
  stop(): Promise<void>;
}

/** A real Alertmanager on a free port, with this configuration. */
export async function startAlertmanager(config: string): Promise<RunningAlertmanager> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-alertmanager-'));
  const file = join(folder, 'alertmanager.yml');
  await writeFile(file, config);
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    ALERTMANAGER!,
    [
      `--config.file=${file}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${new URL(url).host}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  };
  const end = Date.now() + 30_000;
  while (!(await isReady(url))) {
    if (Date.now() > end || child.exitCode !== null) {
      await stop();
      throw new Error('Alertmanager does not become ready.');
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return { url, stop };
}

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
