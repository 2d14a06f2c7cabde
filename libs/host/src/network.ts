import { existsSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { listFolder, readCount, readText, rootsOf } from './files.js';
import type { CongestionControl, NetworkInterface, Roots } from './types.js';

/** Ports of a switch inside the card, one for each virtual function: their traffic passes the card's own port too. */
const REPRESENTOR = /^(c\d+)?pf\d+(vf|sf)\d+$/;

/** Every interface that this machine (or container) has, by name. */
export function interfaceNames(roots: Roots = rootsOf()): string[] {
  // The folder also holds `bonding_masters`, a file.
  return listFolder(roots.sys, 'class/net').filter((name) => existsSync(join(roots.sys, 'class/net', name, 'mtu')));
}

/**
 * The interfaces that stand for hardware, and bonds of them. Loopback, veth, bridges, tunnels and VLANs are not among
 * them: what they carry passes a physical interface too. Of a bond (or of a virtual machine's accelerated interface)
 * the whole counts and its members do not.
 */
export function readInterfaces(roots: Roots = rootsOf()): NetworkInterface[] {
  const folder = join(roots.sys, 'class/net');
  const candidates = interfaceNames(roots).filter((name) => isPhysical(join(folder, name)));
  return candidates
    .filter((name) => {
      const master = masterOf(join(folder, name));
      return master === null || !candidates.includes(master);
    })
    .map((name) => readInterface(folder, name));
}

function isPhysical(folder: string): boolean {
  if (existsSync(join(folder, 'bonding'))) return true;
  return existsSync(join(folder, 'device')) && !REPRESENTOR.test(readText(folder, 'phys_port_name') ?? '');
}

function masterOf(folder: string): string | null {
  try {
    return basename(realpathSync(join(folder, 'master')));
  } catch {
    return null;
  }
}

function readInterface(parent: string, name: string): NetworkInterface {
  const folder = join(parent, name);
  const state = readText(folder, 'operstate');
  // -1 where the speed is not known.
  const megabits = readCount(folder, 'speed');
  const counter = (of: string): number | null => readCount(folder, 'statistics', of);
  return {
    name,
    mtu: readCount(folder, 'mtu'),
    // Some virtual cards leave the state `unknown` and tell the carrier only.
    up: state === 'up' || (state === 'unknown' && readText(folder, 'carrier') === '1'),
    speed: megabits ? megabits * 1e6 : null,
    receiveBytes: counter('rx_bytes'),
    transmitBytes: counter('tx_bytes'),
    receiveErrors: sum(counter('rx_errors'), counter('rx_dropped')),
    transmitErrors: sum(counter('tx_errors'), counter('tx_dropped')),
  };
}

function sum(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}

/** Congestion control of new TCP connections (`bbr`, `cubic`). A container has its own, taken over from its host. */
export function readCongestionControl(roots: Roots = rootsOf()): CongestionControl | null {
  const folder = join(roots.proc, 'sys/net/ipv4');
  const current = readText(folder, 'tcp_congestion_control');
  if (!current) return null;
  const available = readText(folder, 'tcp_available_congestion_control')?.split(/\s+/) ?? [];
  return { current, available };
}
