import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { interfaceNames, readCongestionControl, readLimits, readRdmaPorts, type RdmaPort } from '@vigil/host';
import { fail, pass, skip, warn, type Check, type Context, type Finding } from '../types.js';
import { parseNcclInterfaces, selectInterfaces } from './nccl-names.js';

function read(...path: string[]): string {
  try {
    return readFileSync(join(...path), 'utf8').trim();
  } catch {
    return '';
  }
}

/** A variable as NCCL has it: the environment, else `~/.nccl.conf` (or `NCCL_CONF_FILE`), else `/etc/nccl.conf`. */
export function ncclVariable(name: string, { env, etc }: Pick<Context, 'env' | 'etc'>): string | undefined {
  if (env[name]) return env[name];
  const own = env['NCCL_CONF_FILE'] || join(env['HOME'] || homedir(), '.nccl.conf');
  for (const path of [own, join(etc, 'nccl.conf')]) {
    const line = new RegExp(`^\\s*${name}=(.*)$`, 'm').exec(read(path))?.[1]?.trim();
    if (line) return line;
  }
  return undefined;
}

/** The interface of the default route with the lowest metric (`/proc/net/route`, then `/proc/net/ipv6_route`). */
export function defaultInterface(route: string, ipv6: string): string | undefined {
  const UP = 1;
  const four = route
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((f) => f[1] === '00000000' && f[7] === '00000000' && (Number.parseInt(f[3] ?? '0', 16) & UP) === UP)
    .toSorted((a, b) => Number(a[6]) - Number(b[6]));
  if (four[0]) return four[0][0];
  const six = ipv6
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((f) => f.length > 9 && /^0{32}$/.test(f[0]!) && f[1] === '00' && f[9] !== 'lo')
    .toSorted((a, b) => Number.parseInt(a[5]!, 16) - Number.parseInt(b[5]!, 16));
  return six[0]?.[9];
}

export const networkMtu: Check = {
  id: 'network.mtu',
  title: 'Jumbo frames',
  run(context) {
    const { roots } = context;
    const names = interfaceNames(roots);
    const wanted = ncclVariable('NCCL_SOCKET_IFNAME', context);
    const chosen = wanted === undefined ? undefined : selectInterfaces(parseNcclInterfaces(wanted), names)[0];
    const name = chosen ?? defaultInterface(read(roots.proc, 'net/route'), read(roots.proc, 'net/ipv6_route'));
    if (name === undefined) return skip('No interface has a default route.');
    const mtu = Number(read(roots.sys, 'class/net', name, 'mtu'));
    if (!(mtu > 0)) return skip(`The kernel does not say the MTU of ${name}.`);
    return decideMtu(name, mtu);
  },
};

const JUMBO = 9000;

/** Decides on an MTU in bytes. Clouds have 8896 to 9001. */
export function decideMtu(name: string, mtu: number): Finding {
  const values = { interface: name, mtuBytes: mtu };
  if (mtu >= 8896)
    return { ...pass(`${mtu} on ${name}`, 'Large frames: less work for each byte between machines.'), values };
  return {
    ...warn(
      `${mtu} on ${name}`,
      'Small frames cost processor time between machines that serve one model; one machine alone does not need more.',
      `"sudo ip link set ${name} mtu ${JUMBO}", on every machine and switch between them alike.`,
    ),
    values,
  };
}

export const networkCongestion: Check = {
  id: 'network.congestion',
  title: 'Congestion control',
  run({ roots }) {
    const control = readCongestionControl(roots);
    if (!control) return skip('The kernel does not say.');
    if (control.current.startsWith('bbr'))
      return pass(control.current, 'TCP keeps its speed over links that lose packets.');
    const load = control.available.includes('bbr') ? '' : '"sudo modprobe tcp_bbr", then ';
    return warn(
      control.current,
      'BBR keeps streams to distant clients fast where packets are lost; within one rack it matters little.',
      `${load}"sudo sysctl -w net.core.default_qdisc=fq net.ipv4.tcp_congestion_control=bbr", and the same in /etc/sysctl.d.`,
    );
  },
};

export const networkRdma: Check = {
  id: 'network.rdma',
  title: 'RDMA',
  run(context) {
    const lockable = readLimits(context.roots).lockedMemory?.hard ?? Infinity;
    return decideRdma(readRdmaPorts(context.roots), ncclVariable('NCCL_IB_DISABLE', context), lockable);
  },
};

/** Decides on RDMA ports. @param lockable bytes that a process may pin */
export function decideRdma(ports: readonly RdmaPort[], disabled: string | undefined, lockable: number): Finding {
  if (ports.length === 0) return skip('No RDMA device: NCCL uses TCP between machines.', 'none');
  const active = ports.filter((port) => port.state === 'active');
  const gigabits = active.reduce((sum, port) => sum + (port.rate ?? 0), 0) / 1e9;
  const measured = `${active.length} of ${ports.length} ports active${gigabits > 0 ? `, ${Math.round(gigabits)} Gbit/s` : ''}`;
  if (active.length === 0)
    return fail(
      measured,
      'There are RDMA devices, and none has a link.',
      'See cables, switch and subnet manager ("ibstat", "rdma link").',
    );
  if (Number(disabled ?? 0) !== 0)
    return warn(measured, 'NCCL_IB_DISABLE is set, so NCCL does not use RDMA.', 'Unset NCCL_IB_DISABLE.');
  if (lockable !== Infinity)
    return warn(
      measured,
      'Processes may pin only a part of the memory, which RDMA needs all of.',
      'Set "memlock unlimited" in /etc/security/limits.d, LimitMEMLOCK=infinity in units, --ulimit memlock=-1 for containers.',
    );
  if (active.length < ports.length) {
    const down = ports.filter((port) => port.state !== 'active').map((port) => `${port.device}/${port.port}`);
    return warn(
      measured,
      `Without a link: ${down.join(', ')}.`,
      'Look at cables and switch if these are meant to be used.',
    );
  }
  return pass(measured, 'NCCL moves data between machines without the processors.');
}

export const networkNccl: Check = {
  id: 'network.nccl',
  title: 'NCCL_SOCKET_IFNAME',
  run(context) {
    const wanted = ncclVariable('NCCL_SOCKET_IFNAME', context);
    const names = interfaceNames(context.roots);
    const isUp = (name: string) => ['up', 'unknown'].includes(read(context.roots.sys, 'class/net', name, 'operstate'));
    return decideNccl(wanted, names, isUp);
  },
};

/** Decides on the variable's value, `undefined` where it is not set. */
export function decideNccl(
  wanted: string | undefined,
  names: readonly string[],
  isUp: (name: string) => boolean,
): Finding {
  if (wanted === undefined) return skip('Not set: NCCL chooses an interface itself, which is right for one machine.');
  const chosen = selectInterfaces(parseNcclInterfaces(wanted), names);
  const there = names.filter((name) => name !== 'lo').join(', ') || 'none';
  if (chosen.length === 0)
    return fail(wanted, 'It names no interface of this machine: NCCL would not start.', `Set it to one of: ${there}.`);
  const up = chosen.filter(isUp);
  if (up.length === 0)
    return fail(wanted, `${chosen.join(', ')} is down.`, `Bring it up, or set another one of: ${there}.`);
  return pass(wanted, `It means ${chosen.join(', ')}.`);
}
