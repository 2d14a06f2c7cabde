import type { Named } from '../../size/subject.js';
import { size, speed } from '../../text.js';
import { measureDisk, type DiskProbe } from '../measure/disk.js';
import { pass, QUICK, skip, warn, type Check, type Finding } from '../types.js';

export const diskRead: Check = {
  id: 'disk.read',
  title: 'Model volume, reading',
  heavy: true,
  async run({ volume, subject, quick }) {
    if (quick) return skip(QUICK);
    return decideDisk(await measureDisk(volume), subject);
  },
};

/** What an NVMe disk of PCIe 3.0 gives with room to spare; a SATA disk ends at 0.55 GB/s. */
const WANTED = 2e9;

export function decideDisk(probe: DiskProbe, subject: Named | undefined): Finding {
  const rate = probe.bytes / probe.seconds;
  const where = probe.network ? `${probe.fileSystem}, over the network` : probe.disks.join(', ') || probe.fileSystem;
  const measured = `${speed(rate)} from ${probe.mountPoint ?? 'the volume'}${where ? ` (${where})` : ''}`;
  const loading = subject
    ? ` Loading ${subject.name} (${size(subject.sized.weights)}) takes ${duration(subject.sized.weights / rate)}.`
    : '';
  const values = { bytesPerSecond: Math.round(rate), readBytes: probe.bytes, readSeconds: probe.seconds };
  if (rate >= WANTED) return { ...pass(measured, `Read past the page cache.${loading}`), values };
  return {
    ...warn(
      measured,
      `An NVMe disk gives ${speed(WANTED)} and more: every start of the model waits for this.${loading}`,
      'Keep models on a local NVMe disk; name it with --volume to measure that one.',
    ),
    values,
  };
}

function duration(seconds: number): string {
  if (seconds < 1) return 'less than a second';
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
