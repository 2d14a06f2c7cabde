/* What /proc says of a process, in pure functions of its texts. */

/** A container's id in the last part of a cgroup's path, behind what made it and its slice, before systemd's suffix. */
const CONTAINER = /^(?:(.*)[-:])?([0-9a-f]{64})(?:\.scope)?$/;
/** Podman's and CRI-O's monitor of a container has a cgroup of its own, named after the container. */
const MONITOR = /conmon$/;

/**
 * Id of the container that a process runs in, from `/proc/<pid>/cgroup`, of version 1 and 2: Docker, containerd, CRI-O
 * and Podman, driven by systemd or not, alone and in Kubernetes. The innermost one where containers are nested; `null`
 * outside of any, and where the reader's own cgroup namespace hides it.
 */
export function containerOf(cgroup: string): string | null {
  for (const line of cgroup.split('\n')) {
    // hierarchy:controllers:path; the path may hold colons.
    const path = /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1];
    for (const part of path?.split('/').toReversed() ?? []) {
      const [, maker, id] = CONTAINER.exec(part) ?? [];
      if (id === undefined) continue;
      if (MONITOR.test(maker ?? '')) break;
      return id;
    }
  }
  return null;
}

/** The programs of Vigil's runtime: the server and the process that holds its model. */
const RUNTIME = /(?:^|\/)apps\/runtime\/dist\/(?:child\/)?main\.js$/;
/** Node.js's own options stand before the program. */
const MAX_ARGUMENTS = 16;

/** Whether a command line, as in `/proc/<pid>/cmdline`, is that of a process of Vigil's runtime. */
export function isRuntime(cmdline: string): boolean {
  const [program = '', ...args] = cmdline.split('\0', MAX_ARGUMENTS);
  return /(?:^|\/)node$/.test(program) && args.some((arg) => RUNTIME.test(arg));
}

export interface Stat {
  parent: number;
  /** When it began, in clock ticks since the machine booted: with its PID it names a process for good. */
  start: string;
}

/** From `/proc/<pid>/stat`; `null` for what is none. */
export function readStat(text: string): Stat | null {
  // `pid (name) state parent …`; a name may hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const parent = Number(fields[1]);
  const start = fields[19];
  return Number.isSafeInteger(parent) && start !== undefined ? { parent, start } : null;
}
