import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { listFolder, parseCount, readCount, readText } from './files.js';
import { mountOf, type Mount } from './mounts.js';
import type { DiskCounters, Roots } from './types.js';

/** One line of `/proc/diskstats`. */
export interface DiskLine extends Omit<DiskCounters, 'at'> {
  /** `major:minor`. */
  device: string;
  name: string;
}

/** `/proc/diskstats` counts in sectors of 512 bytes, whatever the device's own sectors are. */
const SECTOR = 512;
/** Overlays on overlays, disks on disks: nobody builds deeper, and a circle must end. */
const DEEPEST = 8;

/** Reads `/proc/diskstats` (Documentation/admin-guide/iostats.rst): fields 3 and 7 are sectors read and written. */
export function parseDiskstats(text: string): DiskLine[] {
  const lines: DiskLine[] = [];
  for (const line of text.split('\n')) {
    const [major, minor, name, , , read, , , , written] = line.trim().split(/\s+/);
    const [readSectors, writtenSectors] = [parseCount(read), parseCount(written)];
    if (readSectors === null || writtenSectors === null) continue;
    lines.push({
      device: `${major}:${minor}`,
      name: name!,
      readBytes: readSectors * SECTOR,
      writtenBytes: writtenSectors * SECTOR,
    });
  }
  return lines;
}

/**
 * The block device that a mount writes to. Most mounts name its numbers. An overlay is followed to what holds its upper
 * folder; btrfs, which has numbers of its own, to the device that it was mounted from.
 */
export function diskOf(
  mount: Mount,
  mounts: readonly Mount[],
  lines: readonly DiskLine[],
  roots: Roots,
): DiskLine | null {
  let at: Mount | undefined = mount;
  for (let depth = 0; at && depth < DEEPEST; depth++) {
    const { device, source, upper }: Mount = at;
    const line = lines.find((l) => l.device === device);
    if (line) return line;
    if (source.startsWith('/dev/')) return lines.find((l) => l.name === deviceName(source, roots)) ?? null;
    if (upper === null) return null;
    const below: Mount | undefined = mountOf(upper, mounts);
    at = below === at ? undefined : below;
  }
  return null;
}

/** `/dev/sda2` is `sda2`; `/dev/mapper/vg-models` is what the kernel calls `dm-0`. */
function deviceName(source: string, roots: Roots): string {
  if (!source.startsWith('/dev/mapper/')) return basename(source);
  const name = basename(source);
  const dm = listFolder(roots.sys, 'class/block').find(
    (d) => readText(roots.sys, 'class/block', d, 'dm/name') === name,
  );
  return dm ?? name;
}

/** The physical disks behind a block device: through device-mapper, RAID and partitions. */
export function disksBehind(name: string, roots: Roots, depth = 0): string[] {
  const folder = join(roots.sys, 'class/block', name);
  if (depth > DEEPEST || !existsSync(folder)) return [];
  const slaves = listFolder(folder, 'slaves');
  if (slaves.length > 0) return [...new Set(slaves.flatMap((slave) => disksBehind(slave, roots, depth + 1)))];
  // A partition lies in the folder of its disk, which may itself be made of others.
  if (existsSync(join(folder, 'partition')))
    return disksBehind(basename(dirname(realpathSync(folder))), roots, depth + 1);
  return [name];
}

/** Whether any of the disks has platters. */
export function isRotational(disks: readonly string[], roots: Roots): boolean | null {
  const told = disks.map((disk) => readCount(roots.sys, 'class/block', disk, 'queue/rotational'));
  if (told.includes(1)) return true;
  return told.length > 0 && told.every((n) => n === 0) ? false : null;
}
