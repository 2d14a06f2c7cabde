/** `nvmlValueType_t`: unsigned long, unsigned long long. */
const WIDE: ReadonlySet<number> = new Set([2, 3]);

/** What a counter of bytes said, and when, in seconds of a clock that never jumps. */
export interface Count {
  bytes: number;
  /** NVML's number of the value's type. */
  type: number;
  at: number;
}

/**
 * Rates from the byte counters of PCIe, in place of NVML's own measurement, which takes 20 ms. NVML says that they may
 * wrap, and a link moves 2^32 bytes in less than a tenth of a second: counters of 32 bits, and such as have ever gone
 * back, are not relied on.
 */
export class PcieCounters {
  private latest: readonly [tx: Count, rx: Count] | undefined;
  private trusted = true;

  /** Bytes a second; `null` until there are two readings, `undefined` where counters are of no use. */
  rates(tx: Count | null, rx: Count | null): { tx: number | null; rx: number | null } | undefined {
    const before = this.latest;
    this.latest = tx === null || rx === null ? undefined : [tx, rx];
    if (tx === null || rx === null || !this.trusted) return undefined;
    if (!WIDE.has(tx.type) || !WIDE.has(rx.type)) return undefined;
    if (before === undefined) return { tx: null, rx: null };
    const seconds = tx.at - before[0].at;
    const moved = [tx.bytes - before[0].bytes, rx.bytes - before[1].bytes] as const;
    if (moved.some((bytes) => bytes < 0)) {
      this.trusted = false;
      return undefined;
    }
    return seconds > 0 ? { tx: moved[0] / seconds, rx: moved[1] / seconds } : { tx: null, rx: null };
  }
}
