import { join } from 'node:path';
import { listFolder, readCount, readText, rootsOf } from './files.js';
import type { RdmaPort, Roots } from './types.js';

/** `port_xmit_data` and `port_rcv_data` count octets divided by 4 (InfiniBand Architecture, 16.1.3.5 PortCounters). */
const WORD = 4;

/**
 * What counts as an error of a port. Not among them: `port_rcv_switch_relay_errors`, which rises with every multicast
 * packet that comes back, and `VL15_dropped`, which concerns management packets only.
 */
const ERRORS = [
  'symbol_error',
  'link_error_recovery',
  'link_downed',
  'port_rcv_errors',
  'port_rcv_remote_physical_errors',
  'port_rcv_constraint_errors',
  'port_xmit_constraint_errors',
  'port_xmit_discards',
  'local_link_integrity_errors',
  'excessive_buffer_overrun_errors',
];

/** The ports of all RDMA devices: InfiniBand, RoCE, and AWS's EFA, whose counters are in bytes and named otherwise. */
export function readRdmaPorts(roots: Roots = rootsOf()): RdmaPort[] {
  const devices = join(roots.sys, 'class/infiniband');
  return listFolder(devices).flatMap((device) =>
    listFolder(devices, device, 'ports').map((port) => readPort(join(devices, device, 'ports', port), device, port)),
  );
}

function readPort(folder: string, device: string, port: string): RdmaPort {
  const counter = (name: string): number | null => readCount(folder, 'counters', name);
  const hardware = (name: string): number | null => readCount(folder, 'hw_counters', name);
  return {
    device,
    port,
    state: parsePortState(readText(folder, 'state')),
    linkLayer: readText(folder, 'link_layer')?.toLowerCase() ?? null,
    rate: parsePortRate(readText(folder, 'rate')),
    receiveBytes: words(counter('port_rcv_data')) ?? hardware('rx_bytes'),
    transmitBytes: words(counter('port_xmit_data')) ?? hardware('tx_bytes'),
    errors: sumOf(ERRORS.map(counter)) ?? hardware('rx_drops'),
  };
}

const words = (count: number | null): number | null => (count === null ? null : count * WORD);

function sumOf(counts: readonly (number | null)[]): number | null {
  const told = counts.filter((n) => n !== null);
  return told.length === 0 ? null : told.reduce((sum, n) => sum + n, 0);
}

/** `4: ACTIVE` is `active`. */
export function parsePortState(text: string | null): string | null {
  return /^\d+: *(\S+)/.exec(text ?? '')?.[1]?.toLowerCase() ?? null;
}

/** `100 Gb/sec (4X EDR)` and `2.5 Gb/sec (1X SDR)`, in bits a second. */
export function parsePortRate(text: string | null): number | null {
  const gigabits = /^(\d{1,9}(?:\.\d+)?) Gb\/sec/.exec(text ?? '')?.[1];
  return gigabits === undefined ? null : Number(gigabits) * 1e9;
}
