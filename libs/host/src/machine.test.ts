import { afterEach, describe, expect, it } from 'vitest';
import { parseCpuMax } from './cgroup.js';
import { parseCpuTimes, parseFirst, readCpu } from './cpu.js';
import { rootsOf } from './files.js';
import { parseLimits } from './limits.js';
import { readMachine } from './machine.js';
import { memoryOf, parseMeminfo, readMemory } from './memory.js';
import { HostTree, virtualMachine, type Tree } from './testing.js';

const KIB = 1024;
const GIB = 2 ** 30;

describe('readMachine', () => {
  let tree: HostTree;
  afterEach(() => tree.remove());

  it('reads a recorded machine', async () => {
    tree = await HostTree.make(await virtualMachine());
    const { at, ...machine } = readMachine(tree.roots);
    expect(at).toBeGreaterThan(0);
    expect(machine).toEqual({
      uptime: 13443.62,
      kernel: '6.18.44',
      cpu: {
        count: 2,
        // user 408666, nice 23, system 174612, irq 0, softirq 3856, steal 539; idle 2077266, iowait 7280; in ticks
        busySeconds: 5876.96,
        idleSeconds: 20845.46,
        limit: null,
        load1: 1.69,
      },
      memory: {
        total: 24684096 * KIB,
        available: machine.memory!.machineAvailable,
        machineTotal: 24684096 * KIB,
        machineAvailable: machine.memory!.machineAvailable,
        limit: null,
        swapTotal: 0,
        swapUsed: 0,
      },
      congestionControl: { current: 'bbr', available: ['reno', 'bbr', 'cubic'] },
      interfaces: [
        {
          name: 'eth0',
          mtu: 1400,
          up: true,
          speed: null,
          receiveBytes: 12563675226,
          transmitBytes: 18911093,
          receiveErrors: 0,
          transmitErrors: 0,
        },
      ],
      rdma: [],
    });
    expect(machine.memory!.machineAvailable).toBeGreaterThan(20 * GIB);
  });

  it('says null for what is not there, and throws nothing', async () => {
    tree = await HostTree.make({});
    expect(readMachine(tree.roots)).toEqual({
      at: expect.any(Number),
      uptime: null,
      kernel: null,
      cpu: null,
      memory: null,
      congestionControl: null,
      interfaces: [],
      rdma: [],
    });
  });

  it('gives numbers or null for any garbage', async () => {
    const garbage = ['', '\n', '\0\0', 'cpu', 'cpu x y', '-1', 'NaN', '1e999', '9'.repeat(400), 'MemTotal: kB'];
    for (const text of garbage) {
      const all = Object.keys(await virtualMachine()).filter((name) => name.startsWith('proc/'));
      tree = await HostTree.make(Object.fromEntries(all.map((name) => [name, text])));
      const { at, cpu, memory, uptime } = readMachine(tree.roots);
      for (const value of [at, uptime, ...Object.values(cpu ?? {}), ...Object.values(memory ?? {})])
        expect(value === null || Number.isFinite(value), `${value} of ${JSON.stringify(text.slice(0, 20))}`).toBe(true);
      await tree.remove();
    }
  });
});

describe('the CPUs', () => {
  it.each([
    ['of this decade', 'cpu  100 10 50 800 40 5 5 20 7 3\ncpu0 1 2\ncpu1 1 2', { count: 2, busy: 1.9, idle: 8.4 }],
    ['of a kernel that tells four fields', 'cpu  1 2 3 4\ncpu0 1 2 3 4', { count: 1, busy: 0.06, idle: 0.04 }],
  ])('%s', (_, text, { count, busy, idle }) => {
    expect(parseCpuTimes(text)).toEqual({
      count,
      busySeconds: expect.closeTo(busy, 9) as number,
      idleSeconds: expect.closeTo(idle, 9) as number,
    });
  });

  it.each(['', 'cpu 1 2', 'cpu0 1 2 3 4', 'cpu  1 2 3 4'])('that %j does not tell are null', (text) => {
    expect(parseCpuTimes(text)).toBeNull();
  });

  it.each([
    ['0.52 0.58 0.59 1/389 12345', 0.52],
    ['13444', 13444],
    ['', null],
    ['up', null],
  ])('a first figure of %j', (text, expected) => {
    expect(parseFirst(text)).toBe(expected);
  });

  it.each([
    ['max 100000', null],
    ['150000 100000', 1.5],
    ['150000 0', null],
    ['', null],
    [null, null],
  ])('a limit of %j', (text, expected) => {
    expect(parseCpuMax(text)).toBe(expected);
  });
});

describe('memory', () => {
  const sizes = (text: string) => parseMeminfo(text.replaceAll(';', '\n'));

  it('without MemAvailable is what is free or can be dropped', () => {
    const told = sizes(
      'MemTotal: 1000 kB;MemFree: 100 kB;Buffers: 20 kB;Cached: 30 kB;SwapTotal: 50 kB;SwapFree: 40 kB',
    );
    expect(memoryOf(told, null)).toMatchObject({ available: 150 * KIB, swapTotal: 50 * KIB, swapUsed: 10 * KIB });
  });

  it.each(['', 'MemTotal: 0 kB;MemAvailable: 0 kB', 'MemTotal: 10 kB', 'MemAvailable: 10 kB'])(
    'that %j does not tell is null',
    (text) => expect(memoryOf(sizes(text), null)).toBeNull(),
  );

  const machine = 'MemTotal: 1000 kB;MemAvailable: 300 kB';
  it.each([
    ['a limit below the machine', { limit: 400, held: 150 }, { total: 400, available: 250, limit: 400 }],
    ['no more than the machine has left', { limit: 900, held: 100 }, { total: 900, available: 300, limit: 900 }],
    ['a limit that is passed', { limit: 400, held: 450 }, { total: 400, available: 0, limit: 400 }],
    ['a limit above the machine', { limit: 2000, held: 10 }, { total: 1000, available: 300, limit: null }],
  ])('with %s', (_, limit, expected) => {
    const inBytes = ({ limit, held }: { limit: number; held: number }) => ({ limit: limit * KIB, held: held * KIB });
    const { total, available, limit: told, machineTotal } = memoryOf(sizes(machine), inBytes(limit))!;
    expect({ total: total / KIB, available: available / KIB, limit: told === null ? null : told / KIB }).toEqual(
      expected,
    );
    expect(machineTotal).toBe(1000 * KIB);
  });
});

describe('a container', () => {
  const MOUNTS = [
    '1 0 0:50 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c',
    '2 1 0:30 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate',
  ].join('\n');
  const LIMITED: Tree = {
    'proc/self/mountinfo': MOUNTS,
    'proc/stat': 'cpu  1 2 3 4\ncpu0 1 2 3 4\n',
    'proc/meminfo': `MemTotal: ${(8 * GIB) / KIB} kB\nMemAvailable: ${(6 * GIB) / KIB} kB\n`,
    'sys/fs/cgroup/cpu.max': '150000 100000\n',
    'sys/fs/cgroup/memory.max': `${2 * GIB}\n`,
    'sys/fs/cgroup/memory.current': `${GIB}\n`,
    'sys/fs/cgroup/memory.stat': `anon 1\nfile 5\ninactive_file ${GIB / 4}\nactive_file 3\n`,
  };
  let tree: HostTree;
  afterEach(() => tree.remove());

  it('has the memory and the CPUs of its limits, and both are told', async () => {
    tree = await HostTree.make(LIMITED);
    expect(readMemory(tree.roots)).toMatchObject({
      total: 2 * GIB,
      available: 1.25 * GIB,
      limit: 2 * GIB,
      machineTotal: 8 * GIB,
      machineAvailable: 6 * GIB,
    });
    expect(readCpu(tree.roots)).toMatchObject({ count: 1, limit: 1.5 });
  });

  it('without limits has what the machine has', async () => {
    tree = await HostTree.make({
      ...LIMITED,
      'sys/fs/cgroup/memory.max': 'max\n',
      'sys/fs/cgroup/cpu.max': 'max 100000\n',
    });
    expect(readMemory(tree.roots)).toMatchObject({ total: 8 * GIB, available: 6 * GIB, limit: null });
    expect(readCpu(tree.roots)).toMatchObject({ limit: null });
  });

  it("that has its host's /proc tells of the host", async () => {
    tree = await HostTree.make(LIMITED, true);
    expect(readMemory(tree.roots)).toMatchObject({ total: 8 * GIB, limit: null });
  });

  it('finds the folders of its host by the environment', () => {
    expect(rootsOf({})).toEqual({ proc: '/proc', sys: '/sys', ofHost: false });
    expect(rootsOf({ HOST_PROC: '/host/proc', HOST_SYS: '/host/sys' })).toEqual({
      proc: '/host/proc',
      sys: '/host/sys',
      ofHost: true,
    });
    expect(rootsOf({ HOST_PROC: '' })).toMatchObject({ proc: '/proc', ofHost: false });
  });
});

describe('limits', () => {
  it('of files and of pinned memory', () => {
    const text = [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max open files            1024                 524288               files     ',
      'Max locked memory         8388608              unlimited            bytes     ',
    ].join('\n');
    expect(parseLimits(text)).toEqual({
      openFiles: { soft: 1024, hard: 524288 },
      lockedMemory: { soft: 8388608, hard: Infinity },
    });
    expect(parseLimits('')).toEqual({ openFiles: null, lockedMemory: null });
  });
});
