import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@vigil/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostProbe, type HostProbeOptions, type HostReading } from './host-probe.js';
import { HostTree, interfaceTree, virtualMachine } from './testing.js';

/** Whether a process runs; one that ended and was not collected does not. */
function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

describe('HostProbe', () => {
  let tree: HostTree;
  let probe: HostProbe;
  const killed: ChildProcess[] = [];

  beforeEach(async () => {
    tree = await HostTree.make({ ...(await virtualMachine()), ...interfaceTree('eth7', { device: true }) });
  });
  afterEach(async () => {
    await probe.close();
    for (const child of killed.splice(0)) child.kill('SIGKILL');
    await tree.remove();
  });

  const open = (more: Partial<HostProbeOptions> = {}): HostProbe =>
    new HostProbe({ timeoutSeconds: 20, volumePath: tree.folder, roots: tree.roots, ...more });
  /** Kills as the default does, and keeps what it killed. */
  const kill = (child: ChildProcess): void => {
    killed.push(child);
    child.kill('SIGKILL');
  };
  const names = (reading: HostReading): string[] =>
    reading.state === 'up' ? reading.machine.interfaces.map((i) => i.name) : [];
  /** A driver that hangs: opening a pipe that nobody writes to blocks as a dead device does. */
  const HANGING_DRIVER = { 'sys/devices/net/eth7/statistics/rx_bytes': null };
  const HANGING_VOLUME = { 'proc/diskstats': null };

  it('reads the real machine', async () => {
    probe = new HostProbe({ timeoutSeconds: 20, volumePath: tree.folder });
    const reading = await probe.read();
    expect(reading).toMatchObject({ state: 'up', problem: null, volume: { total: expect.any(Number) as number } });
    if (reading.state !== 'up') throw new Error('not up');
    expect(reading.machine.cpu!.count).toBeGreaterThan(0);
    expect(reading.machine.memory!.total).toBeGreaterThan(2 ** 20);
  });

  it('reads again and again in one child, one reading at a time', async () => {
    probe = open();
    const [a, b] = [probe.read(), probe.read()];
    expect(b).toBe(a);
    const first = await a;
    const second = await probe.read();
    if (first.state !== 'up' || second.state !== 'up') throw new Error('not up');
    expect(second.machine.at).toBeGreaterThan(first.machine.at);
    expect(names(second)).toEqual(['eth0', 'eth7']);
  });

  it('looks at no volume unless one is named', async () => {
    probe = new HostProbe({ timeoutSeconds: 20, roots: tree.roots });
    expect(await probe.read()).toMatchObject({ state: 'up', volume: null, problem: null });
  });

  it('tells why a volume can not be looked at', async () => {
    probe = open({ volumePath: join(tree.folder, 'missing') });
    const problem = `${tree.folder}/missing does not exist`;
    expect(await probe.read()).toMatchObject({ state: 'up', volume: null, problem });
  });

  it('a volume that hangs costs the rest nothing, is let alone for a while, and comes back', async () => {
    await tree.write(HANGING_VOLUME);
    probe = open({ timeoutSeconds: 3, volumePauseSeconds: 3600, kill });
    const problem = expect.stringContaining('does not answer') as string;
    expect(await probe.read()).toMatchObject({ state: 'up', volume: null, problem });
    expect(killed).toHaveLength(1);
    await until('the killed reader ends', () => !runs(killed[0]!.pid!));
    // The pause: answered without another child having to be killed.
    const paused = await probe.read();
    expect(paused).toMatchObject({ state: 'up', volume: null, problem });
    expect(names(paused)).toEqual(['eth0', 'eth7']);
    expect(killed).toHaveLength(1);
  });

  it('a volume that answers again after its pause is read', async () => {
    await tree.write(HANGING_VOLUME);
    probe = open({ timeoutSeconds: 3, volumePauseSeconds: 0, kill });
    expect(await probe.read()).toMatchObject({ state: 'up', volume: null });
    await tree.write({ 'proc/diskstats': (await virtualMachine())['proc/diskstats']! });
    await until('the volume is read', async () => {
      const reading = await probe.read();
      return reading.state === 'up' && reading.volume?.device === 'vda';
    });
  });

  it('a driver that hangs fails the reading, is killed, and the next reading is good', async () => {
    await tree.write(HANGING_DRIVER);
    probe = open({ timeoutSeconds: 3, kill });
    expect(await probe.read()).toMatchObject({ state: 'failed', kind: 'timeout' });
    await until('the killed reader ends', () => !runs(killed[0]!.pid!));
    await tree.write(interfaceTree('eth7', { device: true }));
    await until('the machine is read', async () => names(await probe.read()).length === 2);
  });

  it('starts no second reader beside one that can not be killed', async () => {
    await tree.write(HANGING_DRIVER);
    probe = open({ timeoutSeconds: 3, kill: (child) => killed.push(child) });
    expect(await probe.read()).toMatchObject({ state: 'failed', kind: 'timeout' });
    for (let i = 0; i < 3; i++) expect(await probe.read()).toMatchObject({ state: 'failed', kind: 'stuck' });
    expect(killed).toHaveLength(1);
  });

  it('reads the machine beside a volume whose reader can not be killed', async () => {
    await tree.write(HANGING_VOLUME);
    probe = open({ timeoutSeconds: 3, volumePauseSeconds: 0, kill: (child) => killed.push(child) });
    for (let i = 0; i < 3; i++) expect(names(await probe.read())).toEqual(['eth0', 'eth7']);
    expect(killed).toHaveLength(1);
  });

  it('a child that ends is started again', async () => {
    probe = open({ kill });
    await probe.read();
    const pid = (probe as unknown as { child: ChildProcess }).child.pid!;
    process.kill(pid, 'SIGKILL');
    await until('the reader ends', () => !runs(pid));
    await until('the machine is read', async () => (await probe.read()).state === 'up');
  });

  it('calls off a reading that hangs, and reads no more once closed', async () => {
    await tree.write(HANGING_DRIVER);
    probe = open({ timeoutSeconds: 3600, kill });
    const reading = probe.read();
    await probe.close();
    expect(await reading).toMatchObject({ state: 'failed', kind: 'aborted' });
    expect(await probe.read()).toMatchObject({ state: 'failed', kind: 'aborted' });
    expect(runs(killed[0]!.pid!)).toBe(false);
  });

  it('leaves no reader behind a process that was killed', async () => {
    probe = open();
    const built = new URL('../dist/host-probe.js', import.meta.url).href;
    const script = `import { HostProbe } from '${built}';
      const probe = new HostProbe({ timeoutSeconds: 20 });
      await probe.read();
      console.log(probe.child.pid);
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(runs(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until('the reader ends', () => !runs(pid));
  });
});
