/* Trees of /proc and /sys for tests, here and in what reads machines through this library. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Roots } from './types.js';

/** Texts by path below the tree's root (`proc/…`, `sys/…`); `null` makes a pipe, at which every reader hangs. */
export type Tree = Record<string, string | { link: string } | null>;

/** A recorded machine: a virtual one with two CPUs, one disk, one network card, and cgroups of version 1. */
export async function virtualMachine(): Promise<Tree> {
  return JSON.parse(await readFile(new URL('../fixtures/virtual-machine.json', import.meta.url), 'utf8')) as Tree;
}

/** A file tree in a folder of its own, to be read in place of /proc and /sys. */
export class HostTree {
  private constructor(
    readonly folder: string,
    readonly roots: Roots,
  ) {}

  static async make(tree: Tree, ofHost = false): Promise<HostTree> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-host-'));
    const made = new HostTree(folder, { proc: join(folder, 'proc'), sys: join(folder, 'sys'), ofHost });
    await made.write(tree);
    return made;
  }

  /** Puts these in, in place of what is there. */
  async write(tree: Tree): Promise<void> {
    for (const [name, content] of Object.entries(tree)) {
      const path = join(this.folder, name);
      await mkdir(dirname(path), { recursive: true });
      await rm(path, { force: true });
      if (content === null) await promisify(execFile)('mkfifo', [path]);
      else if (typeof content === 'string') await writeFile(path, content);
      else await symlink(content.link, path);
    }
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

export interface TestInterface {
  mtu?: number;
  state?: string;
  /** Megabits a second, as the file has it. */
  speed?: string;
  /** Has hardware beneath. */
  device?: boolean;
  bond?: boolean;
  /** The interface that this one belongs to. */
  master?: string;
  portName?: string;
  /** rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped. */
  counts?: readonly number[];
}

/** An interface as sysfs has it. */
export function interfaceTree(name: string, of: TestInterface = {}): Tree {
  const home = `sys/devices/net/${name}`;
  const files = ['rx_bytes', 'tx_bytes', 'rx_errors', 'tx_errors', 'rx_dropped', 'tx_dropped'];
  return {
    [`sys/class/net/${name}`]: { link: `../../devices/net/${name}` },
    [`${home}/mtu`]: `${of.mtu ?? 1500}\n`,
    [`${home}/operstate`]: `${of.state ?? 'up'}\n`,
    [`${home}/carrier`]: '1\n',
    ...(of.speed !== undefined && { [`${home}/speed`]: `${of.speed}\n` }),
    ...(of.device && { [`${home}/device`]: { link: '..' } }),
    ...(of.bond && { [`${home}/bonding/mode`]: '802.3ad 4\n' }),
    ...(of.master !== undefined && { [`${home}/master`]: { link: `../${of.master}` } }),
    ...(of.portName !== undefined && { [`${home}/phys_port_name`]: `${of.portName}\n` }),
    ...Object.fromEntries(files.map((file, i) => [`${home}/statistics/${file}`, `${of.counts?.[i] ?? 0}\n`])),
  };
}

/** A port of an InfiniBand card as sysfs has it; its counters as the files have them. */
export function rdmaTree(
  device: string,
  port: string,
  counters: Record<string, string>,
  rate = '400 Gb/sec (4X NDR)',
): Tree {
  const folder = `sys/class/infiniband/${device}/ports/${port}`;
  return {
    [`${folder}/state`]: '4: ACTIVE\n',
    [`${folder}/link_layer`]: 'InfiniBand\n',
    [`${folder}/rate`]: `${rate}\n`,
    ...Object.fromEntries(Object.entries(counters).map(([name, text]) => [`${folder}/counters/${name}`, `${text}\n`])),
  };
}
