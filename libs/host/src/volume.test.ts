import { mkdir } from 'node:fs/promises';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { disksBehind, isRotational, parseDiskstats } from './disks.js';
import { isNetwork, mountOf, parseMounts } from './mounts.js';
import { HostTree, virtualMachine, type Tree } from './testing.js';
import { spaceOf, volumeOf } from './volume.js';

const MOUNTINFO = [
  '22 28 0:21 / /proc rw - proc proc rw',
  '28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw',
  '31 28 253:3 / /models rw,noatime shared:5 master:7 - xfs /dev/mapper/vg-models rw,attr2',
  '32 28 0:44 / /models/remote rw - nfs4 filer:/export rw,vers=4.2',
  '33 28 0:45 /sub /with\\040space rw - btrfs /dev/sdb1 rw,subvol=/sub',
  '34 28 0:60 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=/l,upperdir=/models/o/diff,workdir=/w',
  '35 28 0:61 / /models/hidden rw - tmpfs first rw',
  '36 28 0:62 / /models/hidden rw - tmpfs second rw',
  'not a mount',
].join('\n');

describe('mounts', () => {
  const mounts = parseMounts(MOUNTINFO);

  it.each([
    ['/', '/'],
    ['/modelsmore', '/'],
    ['/models', '/models'],
    ['/models/r1.gguf', '/models'],
    ['/models/remote/a', '/models/remote'],
    ['/with space/a', '/with space'],
  ])('%s lies on %s', (path, expected) => {
    expect(mountOf(path, mounts)?.mountPoint).toBe(expected);
  });

  it('takes the last of several on one folder', () => {
    expect(mountOf('/models/hidden', mounts)?.source).toBe('second');
  });

  it('leaves out lines that it does not understand', () => {
    expect(mounts).toHaveLength(8);
    expect(mountOf('/x', [])).toBeUndefined();
  });

  it.each([
    ['nfs4', 'filer:/export', true],
    ['cifs', '//filer/models', true],
    ['fuse.somethingnew', 'host:/x', true],
    ['lustre', '10.0.0.1@tcp:/fs', true],
    ['ext4', '/dev/sda1', false],
    ['tmpfs', 'tmpfs', false],
    ['zfs', 'pool/models', false],
  ])('%s from %s: on the network %s', (fileSystem, source, expected) => {
    expect(isNetwork({ fileSystem, source })).toBe(expected);
  });
});

describe('volumeOf', () => {
  /** The path whose mounts the tests make up. It exists, since its space is asked of the system. */
  let path: string;
  let tree: HostTree;

  beforeEach(async () => {
    tree = await HostTree.make(await virtualMachine());
    path = join(realpathSync(tree.folder), 'models');
    await mkdir(path);
  });
  afterEach(() => tree.remove());

  const SDA = 'sys/devices/pci/ata1/block/sda';
  const DISKS: Tree = {
    'proc/diskstats': [
      '   8       0 sda 10 0 100 0 10 0 200 0 0 0 0',
      '   8       1 sda1 1 0 10 0 1 0 20 0 0 0 0 0 0 0 0 0 0',
      ' 253       3 dm-3 1 0 30 0 1 0 40 0 0 0 0',
      'broken line',
    ].join('\n'),
    'sys/class/block/sda': { link: `../../devices/pci/ata1/block/sda` },
    'sys/class/block/sda1': { link: `../../devices/pci/ata1/block/sda/sda1` },
    'sys/class/block/dm-3': { link: `../../devices/virtual/block/dm-3` },
    [`${SDA}/queue/rotational`]: '1\n',
    [`${SDA}/sda1/partition`]: '1\n',
    'sys/devices/virtual/block/dm-3/slaves/sda1': { link: '../../../../pci/ata1/block/sda/sda1' },
    'sys/devices/virtual/block/dm-3/dm/name': 'vg-models\n',
  };
  const mounted = (rest: string): Tree => ({ ...DISKS, 'proc/self/mountinfo': `1 0 ${rest}\n` });

  it('reads a recorded machine', async () => {
    const volume = volumeOf(path, tree.roots);
    expect(volume).toMatchObject({
      path,
      mountPoint: '/',
      fileSystem: 'ext4',
      source: '/dev/vda',
      network: false,
      device: 'vda',
      disks: ['vda'],
      rotational: true,
    });
    expect(volume.counters!.readBytes).toBeGreaterThan(1e9);
    expect(volume.counters!.readBytes % 512).toBe(0);
    expect(volume.total).toBeGreaterThan(0);
    expect(volume.used + volume.available).toBeLessThanOrEqual(volume.total);
  });

  it.each([
    ['a partition', '8:1 / / rw - ext4 /dev/root rw', { device: 'sda1', read: 10, disks: ['sda'] }],
    ['device-mapper', '253:3 / / rw - xfs /dev/mapper/vg-models rw', { device: 'dm-3', read: 30, disks: ['sda'] }],
    ['btrfs on a partition', '0:45 /sub / rw - btrfs /dev/sda1 rw', { device: 'sda1', read: 10, disks: ['sda'] }],
    ['btrfs on LVM', '0:45 / / rw - btrfs /dev/mapper/vg-models rw', { device: 'dm-3', read: 30, disks: ['sda'] }],
  ])('finds the device of %s', async (_, mount, { device, read, disks }) => {
    await tree.write(mounted(mount));
    const volume = volumeOf(path, tree.roots);
    expect(volume).toMatchObject({ device, disks, rotational: true });
    expect(volume.counters!.readBytes).toBe(read * 512);
  });

  it.each([
    ['a network file system', '0:44 / / rw - nfs4 filer:/export rw', true],
    ['memory', '0:44 / / rw - tmpfs tmpfs rw', false],
    ['ZFS', '0:44 / / rw - zfs pool/models rw', false],
    ['an overlay whose upper folder is itself', '0:44 / / rw - overlay overlay rw,upperdir=/x/diff', false],
  ])('gives space and no throughput for %s', async (_, mount, network) => {
    await tree.write(mounted(mount));
    const volume = volumeOf(path, tree.roots);
    expect(volume).toMatchObject({ network, device: null, disks: [], rotational: null, counters: null });
    expect(volume.total).toBeGreaterThan(0);
  });

  const OVERLAY = '0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/data/o/diff,workdir=/w';

  it('follows an overlay to what its upper folder lies on', async () => {
    await tree.write({ ...mounted(`${OVERLAY}\n2 1 8:1 / /data rw - ext4 /dev/sda1 rw`) });
    expect(volumeOf(path, tree.roots)).toMatchObject({ fileSystem: 'overlay', device: 'sda1' });
  });

  it("follows an overlay in a container through its host's mounts", async () => {
    await tree.write({ ...mounted(OVERLAY), 'proc/1/mountinfo': '2 1 8:1 / /data rw - ext4 /dev/sda1 rw\n' });
    expect(volumeOf(path, tree.roots).device).toBeNull();
    expect(volumeOf(path, { ...tree.roots, ofHost: true }).device).toBe('sda1');
  });

  it('says so where the path does not exist', () => {
    expect(() => volumeOf(join(path, 'missing'), tree.roots)).toThrow(/ENOENT/);
  });

  it('gives space where the kernel tells no mounts', async () => {
    await tree.write({ 'proc/self/mountinfo': '', 'proc/diskstats': '' });
    expect(volumeOf(path, tree.roots)).toMatchObject({ mountPoint: null, device: null, counters: null });
  });

  it('ends where disks are made of one another', async () => {
    const block = 'sys/class/block';
    await tree.write({ [`${block}/a/slaves/b`]: 'x', [`${block}/b/slaves/a`]: 'x' });
    expect(disksBehind('a', tree.roots)).toEqual([]);
  });

  it('tells platters only where a disk does', async () => {
    const block = 'sys/class/block';
    await tree.write({ [`${block}/n/queue/rotational`]: '0\n', [`${block}/h/queue/rotational`]: '1\n' });
    expect(isRotational(['n'], tree.roots)).toBe(false);
    expect(isRotational(['n', 'h'], tree.roots)).toBe(true);
    expect(isRotational(['n', 'unknown'], tree.roots)).toBeNull();
  });
});

describe('space', () => {
  it.each([
    [
      'with a reserve, as df',
      { bsize: 10, frsize: 10, blocks: 100, bfree: 60, bavail: 40 },
      { total: 1000, used: 400, available: 400, ratio: 0.5 },
    ],
    [
      'in blocks of frsize',
      { bsize: 1000, frsize: 10, blocks: 100, bfree: 100, bavail: 100 },
      { total: 1000, used: 0, available: 1000, ratio: 0 },
    ],
    [
      'in blocks of bsize where frsize is not told',
      { bsize: 10, frsize: 0, blocks: 100, bfree: 0, bavail: 0 },
      { total: 1000, used: 1000, available: 0, ratio: 1 },
    ],
    [
      'over its quota',
      { bsize: 10, frsize: 10, blocks: 100, bfree: 5, bavail: -3 },
      { total: 1000, used: 950, available: 0, ratio: 1 },
    ],
    [
      'without a size',
      { bsize: 4096, frsize: 4096, blocks: 0, bfree: 0, bavail: 0 },
      { total: 0, used: 0, available: 0, ratio: null },
    ],
  ])('%s', (_, stat, expected) => {
    expect(spaceOf(stat)).toEqual(expected);
  });
});

describe('parseDiskstats', () => {
  it('counts in sectors of 512 bytes and leaves out what is broken', () => {
    expect(parseDiskstats(' 259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n\nx y z\n 8 0 sda 1 2')).toEqual([
      { device: '259:0', name: 'nvme0n1', readBytes: 1536, writtenBytes: 3584 },
    ]);
  });
});
