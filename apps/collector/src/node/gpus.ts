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
    else {
      // A reading that failed does not know how many there are, unless it says that there is none.
      const count = state === 'none' || reading.kind === 'no-devices' ? 0 : null;
      this.latest = { state, count, readAt: this.latest.readAt };
    }
  }
}

/** A MIG instance is a sample beside its device's own, and named by both: `0/1`. */
function devices(samples: readonly { gpu: string }[]): number {
  return samples.filter(({ gpu }) => !gpu.includes('/')).length;
}
