import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batch, hostile, message } from '../testing.js';
import { alertmanager } from './alertmanager.js';

const PROGRAM = ['prometheus-alertmanager', 'alertmanager'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe.skipIf(PROGRAM === undefined)('a real Alertmanager', () => {
  let folder: string;
  let child: ChildProcess;
  let url: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigil-alertmanager-'));
    const config = join(folder, 'alertmanager.yml');
    await writeFile(config, 'route: { receiver: none }\nreceivers: [{ name: none }]\n');
    url = `http://127.0.0.1:${await freePort()}`;
    child = spawn(
      PROGRAM!,
      [
        `--config.file=${config}`,
        `--storage.path=${join(folder, 'data')}`,
        `--web.listen-address=${new URL(url).host}`,
        '--cluster.listen-address=',
      ],
      { stdio: 'ignore' },
    );
    await until('Alertmanager to be ready', async () => (await fetch(`${url}/-/ready`)).ok);
  });
  afterAll(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  });

  const tell = (given: ReturnType<typeof batch>) => {
    const receiver = alertmanager({ name: 'r', target: { url: new URL(url), reach: 'private' } });
    const payload = JSON.parse(JSON.stringify(receiver.render(given, 'k')));
    const parcel = { payload, key: 'k', reference: null, isLate: false, now: new Date() };
    return receiver.deliver(parcel, { timeoutSeconds: 5, signal: new AbortController().signal });
  };
  const known = async (rule: string): Promise<any[]> => {
    const filter = encodeURIComponent(`alertname="${rule}"`);
    return (await (await fetch(`${url}/api/v2/alerts?filter=${filter}`)).json()) as any[];
  };
  const now = () => new Date();

  it('knows what fires, is reminded of the same alert, and hears of its end', async () => {
    const firing = message({ at: now(), value: 0.95 }, { firedAt: now().toISOString() });
    expect(await tell(batch([firing]))).toMatchObject({ kind: 'answered', status: 200 });
    const [first] = await known('GpuMemoryHigh');
    expect(first.labels).toMatchObject({ alertname: 'GpuMemoryHigh', node: 'gpu-1', severity: 'critical' });
    expect(Date.parse(first.endsAt) - Date.now()).toBeGreaterThan(120_000);

    await tell(batch([firing], { kind: 'repeat', entries: [{ message: firing, isNew: false }] }));
    const again = await known('GpuMemoryHigh');
    expect(again).toHaveLength(1);
    expect(again[0].fingerprint).toBe(first.fingerprint);
    expect(again[0].startsAt).toBe(first.startsAt);

    await tell(batch([{ ...firing, status: 'resolved', at: now() }]));
    await until('it to be over', async () => (await known('GpuMemoryHigh')).length === 0);
  });

  it('takes labels of every kind', async () => {
    const given = hostile({ rule: 'Hostile', at: now() });
    expect(await tell(batch([given]))).toMatchObject({ kind: 'answered', status: 200 });
    const [found] = await known('Hostile');
    expect(found.labels).toMatchObject(given.labels);
  });
});
