import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';

const ATTEMPTS = 20;
const CONNECT_SECONDS = 1;
/** Asked where no port is named: even a refusal is a round trip. */
const SSH = 22;

export interface RoundTrip {
  address: string;
  port: number;
  /** Median. */
  seconds: number;
  /**
   * Who measured: the kernel, from SYN to SYN-ACK, or this program, which adds its own time to every connection and so
   * gives an upper bound.
   */
  by: 'kernel' | 'program';
  samples: number;
}

/** `host`, `host:port`, `[::1]:port` and a bare IPv6 address. */
export function parsePeer(peer: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(peer);
  if (match) {
    const port = match[3] === undefined ? SSH : Number(match[3]);
    return port >= 1 && port <= 65_535 ? { host: match[1] ?? match[2]!, port } : undefined;
  }
  return /^[0-9a-f:.]+$/i.test(peer) && peer.split(':').length > 2 ? { host: peer, port: SSH } : undefined;
}

/**
 * Measures the round trip of TCP's handshake.
 * @throws Error where the name is not known or nobody answers
 */
export async function measureRoundTrip(host: string, port: number): Promise<RoundTrip> {
  const { address } = await lookup(host);
  const open: Socket[] = [];
  try {
    const times: number[] = [];
    for (let i = 0; i < ATTEMPTS; i++) times.push(await handshake(address, port, open));
    const kernel = await askKernel(open, port).catch(() => []);
    const best = kernel.length > 0 ? kernel : times;
    return {
      address,
      port,
      seconds: median(best),
      by: kernel.length > 0 ? 'kernel' : 'program',
      samples: best.length,
    };
  } finally {
    for (const socket of open) socket.destroy();
  }
}

/** Seconds until a connection is accepted or refused; accepted ones stay open. */
function handshake(address: string, port: number, open: Socket[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;
    const socket = connect({ host: address, port });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${CONNECT_SECONDS} s`));
    }, CONNECT_SECONDS * 1000);
    socket.once('connect', () => {
      clearTimeout(timer);
      open.push(socket);
      resolve(elapsed());
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ECONNREFUSED') resolve(elapsed());
      else reject(error);
    });
  });
}

/** What the kernel measured of each connection, by `ss` (iproute2). */
async function askKernel(open: readonly Socket[], peerPort: number): Promise<number[]> {
  const ports = new Set(open.map((socket) => socket.localPort!));
  if (ports.size === 0) return [];
  const { stdout } = await promisify(execFile)('ss', ['-tin'], { timeout: 1000, maxBuffer: 2 ** 24 });
  return parseSs(stdout, ports, peerPort);
}

/**
 * Seconds of `rtt:0.054/0.027` (milliseconds) for each connection from one of the ports to the peer's. A local port alone
 * says too little: connections to different peers may share it.
 */
export function parseSs(text: string, localPorts: ReadonlySet<number>, peerPort: number): number[] {
  return text
    .replaceAll(/\n\s+/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [, local, peer] = /^\S+\s+\d+\s+\d+\s+\S+:(\d+)\s+\S+:(\d+)\s/.exec(line) ?? [];
      const milliseconds = /\brtt:([\d.]+)\//.exec(line)?.[1];
      const ours = localPorts.has(Number(local)) && Number(peer) === peerPort;
      return ours && Number(milliseconds) > 0 ? [Number(milliseconds) / 1000] : [];
    });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}
