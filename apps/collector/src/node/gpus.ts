import type { GpuReading } from '@vigil/gpu';

/** What a node says of its GPUs as a whole. */
export interface NodeGpus {
  /** How the latest reading went; `null` before the first. */
  state: GpuReading['state'] | null;
  /** Devices, each with all its MIG instances one; `null` where the latest reading failed. */
  count: number | null;
  /** When the GPUs were last read well. */
  readAt: Date | null;
}

/** Keeps what the latest reading of the GPUs said. */
export class LatestGpus {
  private latest: NodeGpus = { state: null, count: null, readAt: null };

  get = (): NodeGpus => this.latest;

  record(reading: GpuReading, now: Date): void {
    const { state } = reading;
    if (state === 'up') this.latest = { state, count: devices(reading.samples), readAt: now };
    else this.latest = { state, count: state === 'none' ? 0 : null, readAt: this.latest.readAt };
  }
}

/** A MIG instance is named by its device and itself: `0/1`. */
function devices(samples: readonly { gpu: string }[]): number {
  return new Set(samples.map(({ gpu }) => gpu.split('/')[0])).size;
}
