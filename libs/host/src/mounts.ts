/** One line of `/proc/self/mountinfo`. */
export interface Mount {
  /** `major:minor`; the major number 0 means that no one block device lies beneath. */
  device: string;
  mountPoint: string;
  fileSystem: string;
  source: string;
  /** Where an overlay keeps what is written, as its maker named it. */
  upper: string | null;
}

/** `36 35 98:0 /root /mount rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue` */
const LINE = /^\d+ \d+ (\d+:\d+) \S+ (\S+) \S+ (?:\S+ )*?- (\S+) (\S+)(?: (\S+))?$/;

/** Reads `/proc/self/mountinfo`, see proc(5). Lines that are not understood are left out. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const match = LINE.exec(line.trim());
    if (!match) continue;
    const [, device, mountPoint, fileSystem, source, options] = match;
    const upper = /(?:^|,)upperdir=([^,]+)/.exec(options ?? '')?.[1];
    mounts.push({
      device: device!,
      mountPoint: unescape(mountPoint!),
      fileSystem: fileSystem!,
      source: unescape(source!),
      upper: upper === undefined ? null : unescape(upper),
    });
  }
  return mounts;
}

/** Spaces and the like stand as `\040`. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** The mount that a path lies on: the longest that holds it, and of several on one folder the last, which hides the rest. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts)
    if (holds(mount.mountPoint, path) && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  return found;
}

function holds(folder: string, path: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** File systems whose data lies on other machines. */
const NETWORK = new Set(
  [
    'nfs nfs4 cifs smb3 smbfs ceph lustre beegfs gpfs glusterfs afs 9p orangefs wekafs quobyte panfs',
    'fuse.sshfs fuse.glusterfs fuse.ceph fuse.juicefs fuse.s3fs fuse.gcsfuse fuse.rclone fuse.goofys',
    'fuse.mountpoint-s3 fuse.blobfuse fuse.blobfuse2 fuse.seaweedfs fuse.cvmfs',
  ].flatMap((names) => names.split(' ')),
);

/** Whether a mount lies on other machines: by its type, or by a source such as `filer:/models` and `//filer/models`. */
export function isNetwork({ fileSystem, source }: Pick<Mount, 'fileSystem' | 'source'>): boolean {
  return NETWORK.has(fileSystem) || /^\/\/|^[^/]+:\//.test(source);
}
