import { realpathSync, statfsSync } from 'node:fs';
import { diskOf, disksBehind, isRotational, parseDiskstats } from './disks.js';
import { monotonicSeconds, readText, rootsOf } from './files.js';
import { isNetwork, mountOf, parseMounts, type Mount } from './mounts.js';
import type { Roots, Volume } from './types.js';

/**
 * The file system that holds a path, with its space and its device. A network file system has space and no device.
 *
 * It may hang for ever where a file system does not answer (a dead NFS server): what must not hang asks through
 * `HostProbe`.
 * @throws the system's error where the path does not exist or can't be reached
 */
export function volumeOf(path: string, roots: Roots = rootsOf()): Volume {
  const real = realpathSync(path);
  const space = spaceOf(statfsSync(real));
  const mounts = parseMounts(readText(roots.proc, 'self/mountinfo') ?? '');
  const mount = mountOf(real, mounts);
  const network = mount !== undefined && isNetwork(mount);
  const lines = parseDiskstats(readText(roots.proc, 'diskstats') ?? '');
  const at = monotonicSeconds();
  const disk = mount && !network ? diskOf(mount, hostMounts(mount, mounts, roots), lines, roots) : null;
  const disks = disk ? disksBehind(disk.name, roots) : [];
  return {
    path: real,
    mountPoint: mount?.mountPoint ?? null,
    fileSystem: mount?.fileSystem ?? null,
    source: mount?.source ?? null,
    network,
    device: disk?.name ?? null,
    disks,
    rotational: isRotational(disks, roots),
    ...space,
    counters: disk && { at, readBytes: disk.readBytes, writtenBytes: disk.writtenBytes },
  };
}

/** The folders of an overlay are named as the host sees them. */
function hostMounts(mount: Mount, own: readonly Mount[], roots: Roots): readonly Mount[] {
  if (mount.upper === null || !roots.ofHost) return own;
  return parseMounts(readText(roots.proc, '1/mountinfo') ?? '');
}

/** What statfs(2) says. Blocks are of `frsize` bytes, or of `bsize` where that is 0. */
export interface SpaceBlocks {
  bsize: number;
  frsize?: number;
  blocks: number;
  bfree: number;
  bavail: number;
}

/** Space in bytes. The reserve that only root may use is neither used nor available, as with `df`. */
export function spaceOf(stat: SpaceBlocks): Pick<Volume, 'total' | 'used' | 'available' | 'ratio'> {
  const block = stat.frsize || stat.bsize;
  const used = Math.max(stat.blocks - stat.bfree, 0) * block;
  // A file system that is over its quota says less than nothing.
  const available = Math.max(stat.bavail, 0) * block;
  return {
    total: stat.blocks * block,
    used,
    available,
    ratio: used + available > 0 ? used / (used + available) : null,
  };
}
