import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveSubject } from '../../size/subject.js';
import { decideDisk } from '../checks/disk.js';
import { decideRoundTrip, networkPeer } from '../checks/peer.js';
import { Tree } from '../testing.js';
import { measureDisk, type DiskProbe } from './disk.js';
import { measureMemoryBandwidth } from './memory-bandwidth.js';
import { measureRoundTrip, parsePeer, parseSs } from './round-trip.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-measure-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('memory bandwidth', () => {
  it('is measured on all processors, and no thread stays', async () => {
    const { bytesPerSecond, threads } = await measureMemoryBandwidth(256 * 2 ** 20, 0.05);
    expect(threads).toBeGreaterThanOrEqual(1);
    expect(bytesPerSecond).toBeGreaterThan(1e6);
    expect(process.getActiveResourcesInfo().filter((name) => name === 'MessagePort')).toEqual([]);
  });
});

describe('a volume', () => {
  it('is measured, and nothing stays on it', async () => {
    // A file system without O_DIRECT (tmpfs of older kernels) says so instead.
    const probe = await measureDisk(folder, 60).catch((error: Error) => error.message);
    if (typeof probe === 'string') expect(probe).toMatch(/past the page cache|too little free space/);
    else expect(probe.bytes / probe.seconds).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('that is not there is told', async () => {
    await expect(measureDisk(join(folder, 'none'), 60)).rejects.toThrow(/ENOENT/);
  });

  it('that does not answer in time is left alone', async () => {
    await expect(measureDisk(folder, 0.001)).rejects.toThrow('the volume did not answer within 0.001 s');
    await expect.poll(() => readdir(folder), { timeout: 20_000 }).toEqual([]);
  });

  it('is read by the model that lies on it', async () => {
    const path = join(folder, 'model.gguf');
    await writeFile(path, Buffer.alloc(80 * 2 ** 20, 1));
    const probe = await measureDisk(path, 60).catch((error: Error) => error.message);
    if (typeof probe === 'string') expect(probe).toMatch(/past the page cache/);
    else expect(probe.bytes).toBeLessThanOrEqual(80 * 2 ** 20);
    expect(await readdir(folder)).toEqual(['model.gguf']);
  });

  const probed = (gigabytes: number, more: Partial<DiskProbe> = {}): DiskProbe => ({
    mountPoint: '/models',
    fileSystem: 'xfs',
    disks: ['nvme0n1'],
    network: false,
    rotational: false,
    bytes: gigabytes * 1e9,
    seconds: 1,
    ...more,
  });

  it('is judged by what an NVMe disk gives', async () => {
    const subject = await resolveSubject({ model: '7b' });
    expect(decideDisk(probed(6.8), subject)).toMatchObject({
      status: 'pass',
      measured: '6.80 GB/s from /models (nvme0n1)',
      reason: 'Read past the page cache. Loading DeepSeek-R1-Distill-Qwen-7B (4.34 GiB) takes less than a second.',
    });
    // 4.659 GB at 0.1 GB/s
    expect(decideDisk(probed(0.1, { network: true, fileSystem: 'nfs4', disks: [] }), subject)).toMatchObject({
      status: 'warn',
      measured: '100 MB/s from /models (nfs4, over the network)',
      reason: expect.stringContaining('takes 47 s'),
    });
  });
});

describe('the round trip', () => {
  let server: Server;
  beforeAll(async () => {
    server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('is measured by handshakes with a port that accepts', async () => {
    const { port } = server.address() as AddressInfo;
    const trip = await measureRoundTrip('127.0.0.1', port);
    expect(trip).toMatchObject({ address: '127.0.0.1', port, samples: 20 });
    expect(trip.seconds).toBeGreaterThan(0);
  });

  it('is bounded by refusals of a port that does not', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await new Promise((resolve) => other.close(resolve));
    expect(await measureRoundTrip('127.0.0.1', port)).toMatchObject({ by: 'program', samples: 20 });
  });

  it('to nobody is a row that fails', async () => {
    const tree = await Tree.make();
    const finding = await networkPeer.run(tree.context({ peer: 'nobody.invalid:80' }));
    expect(finding).toMatchObject({ status: 'fail', reason: expect.stringContaining('nobody.invalid') });
    await tree.remove();
  });

  it.each([
    [80e-6, 'kernel', 'pass', '80 µs to 10.0.0.2:22'],
    [120e-6, 'kernel', 'warn', '120 µs to 10.0.0.2:22'],
    [120e-6, 'program', 'warn', 'at most 120 µs to 10.0.0.2:22'],
    [80e-6, 'program', 'pass', 'at most 80 µs to 10.0.0.2:22'],
  ] as const)('of %d s by the %s: %s', (seconds, by, status, measured) => {
    expect(decideRoundTrip({ address: '10.0.0.2', port: 22, seconds, by, samples: 20 })).toMatchObject({
      status,
      measured,
    });
  });

  it.each([
    ['node2', { host: 'node2', port: 22 }],
    ['node2:8000', { host: 'node2', port: 8000 }],
    ['10.0.0.2:1', { host: '10.0.0.2', port: 1 }],
    ['[fe80::1]:8000', { host: 'fe80::1', port: 8000 }],
    ['fe80::1', { host: 'fe80::1', port: 22 }],
    ['node2:0', undefined],
    ['node2:99999', undefined],
    ['node2:x', undefined],
    [':80', undefined],
    ['', undefined],
  ])('to %j goes to %j', (peer, target) => {
    expect(parsePeer(peer)).toEqual(target);
  });

  it('is read from ss, on one line or two, of our own connections', () => {
    const text = `State Recv-Q Send-Q Local Address:Port Peer Address:Port
ESTAB 0      0      127.0.0.1:59854 127.0.0.1:43521
\t bbr wscale:10,10 rto:204 rtt:0.054/0.027 mss:32741
ESTAB 0      0      [::1]:59862 [::1]:43521 cubic rto:204 rtt:0.011/0.005 mss:32741
ESTAB 0      0      127.0.0.1:60000 127.0.0.1:43521
\t bbr rtt:99/1
ESTAB 0      0      10.0.0.1:59854 10.0.0.2:443
\t bbr rtt:88/1
LISTEN 0     0      0.0.0.0:22 0.0.0.0:*
`;
    expect(parseSs(text, new Set([59_854, 59_862, 22]), 43_521)).toEqual([0.000_054, 0.000_011]);
    expect(parseSs('', new Set([1]), 2)).toEqual([]);
  });
});
