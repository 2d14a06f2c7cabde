import type { GpuEvent } from './types.js';

/** Events that are remembered; beyond them the oldest are forgotten. */
const MAX_REMEMBERED = 1000;

/**
 * Tells the same XID once although NVML and the kernel's log both tell it. Two tellings are of one XID where they differ
 * in their source, agree in their code, do not name two different GPUs, and lie at most `seconds` apart; each telling
 * of the one source goes with one of the other, so that an XID that happens twice is told twice.
 */
export class XidOnce {
  private readonly remembered: { event: GpuEvent; sources: Set<string> }[] = [];

  constructor(private readonly seconds: number) {}

  /** Whether the event is news; events other than XIDs always are. */
  isNew(event: GpuEvent): boolean {
    if (event.kind !== 'xid') return true;
    const same = this.remembered.find(
      ({ event: other, sources }) =>
        !sources.has(event.source) &&
        other.code === event.code &&
        other.replay === event.replay &&
        Math.abs(other.time.getTime() - event.time.getTime()) <= this.seconds * 1000 &&
        mayBeOne(other, event),
    );
    if (same !== undefined) {
      same.sources.add(event.source);
      return false;
    }
    this.remembered.push({ event, sources: new Set([event.source]) });
    if (this.remembered.length > MAX_REMEMBERED) this.remembered.shift();
    return true;
  }
}

/** An event that does not say its GPU may be any; a MIG instance and its device may be one. */
function mayBeOne(a: GpuEvent, b: GpuEvent): boolean {
  const device = (gpu: string): string => gpu.split('/')[0]!;
  if (a.uuid !== null && b.uuid !== null && a.uuid === b.uuid) return true;
  if (a.gpu !== null && b.gpu !== null) return device(a.gpu) === device(b.gpu);
  return a.uuid === null || b.uuid === null;
}
