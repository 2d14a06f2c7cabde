import type { GpuEvent, GpuReading, GpuSample } from './types.js';

/** A whole device that was read at least once. */
export interface KnownGpu {
  gpu: string;
  uuid: string | null;
  replay: boolean;
  present: boolean;
}

/** What is known of the GPUs from one reading to the next. */
export interface Presence {
  gpus: readonly KnownGpu[];
  /** Readings in a row that failed since some GPU is lost, without saying which. */
  unsure: number;
}

export const NOTHING_KNOWN: Presence = { gpus: [], unsure: 0 };

/** Readings that only say that some GPU is lost, until that is told: NVML leaves the lost one out after the first. */
const UNSURE_READINGS = 2;

/**
 * Which GPUs vanished, and which came back, between two readings. Pure.
 *
 * - A good reading tells all GPUs: one that is missing is lost. MIG instances come and go by an administrator's will,
 *   so devices only are compared, by UUID; by index where one is not told.
 * - A source that runs and finds no device at all says so: every GPU is lost.
 * - A reading that failed since a GPU is lost says nothing of the others. Of a single GPU it is the one; of several the
 *   next reading tells which, and if it fails in the same way an event without a GPU is told.
 * - Any other failure (a driver that is exchanged, a deadline) and a machine without a tool say nothing of a GPU.
 */
export function comparePresence(
  before: Presence,
  reading: GpuReading,
  now: Date,
): { presence: Presence; events: GpuEvent[] } {
  const told = (kind: 'lost' | 'returned', gpu: Pick<KnownGpu, 'gpu' | 'uuid' | 'replay'> | null): GpuEvent => ({
    time: now,
    gpu: gpu?.gpu ?? null,
    uuid: gpu?.uuid ?? null,
    replay: gpu?.replay ?? before.gpus.some((known) => known.replay),
    kind,
    code: null,
    class: kind === 'lost' ? 'critical' : 'warning',
    meaning: MEANINGS[kind],
    source: reading.source,
    message: null,
  });
  const none = { presence: before, events: [] };
  if (reading.state === 'up') return compareGood(before, reading.samples, told);
  if (reading.state === 'none' || (reading.kind !== 'no-devices' && reading.kind !== 'gpu-lost')) return none;
  const present = before.gpus.filter((known) => known.present);
  if (reading.kind === 'no-devices' || before.gpus.length === 1)
    return {
      presence: { ...before, gpus: before.gpus.map((known) => ({ ...known, present: false })) },
      events: present.map((known) => told('lost', known)),
    };
  // With nothing known, or nothing left to lose, it is no news.
  if (present.length === 0) return none;
  const unsure = before.unsure + 1;
  return { presence: { ...before, unsure }, events: unsure === UNSURE_READINGS ? [told('lost', null)] : [] };
}

function compareGood(
  before: Presence,
  samples: readonly GpuSample[],
  told: (kind: 'lost' | 'returned', gpu: KnownGpu | null) => GpuEvent,
): { presence: Presence; events: GpuEvent[] } {
  const events: GpuEvent[] = [];
  const devices = samples.filter((sample) => !sample.gpu.includes('/'));
  const seen = new Set<GpuSample>();
  const gpus = before.gpus.map((known) => {
    const sample = devices.find((s) => isSame(known, s));
    if (sample === undefined) {
      if (known.present) events.push(told('lost', known));
      return { ...known, present: false };
    }
    seen.add(sample);
    const now = { gpu: sample.gpu, uuid: sample.uuid ?? known.uuid, replay: sample.replay, present: true };
    if (!known.present) events.push(told('returned', now));
    return now;
  });
  for (const sample of devices)
    if (!seen.has(sample)) gpus.push({ gpu: sample.gpu, uuid: sample.uuid, replay: sample.replay, present: true });
  // The one that was lost without a name is named above, or is back.
  if (before.unsure >= UNSURE_READINGS && !events.some((e) => e.kind === 'lost')) events.push(told('returned', null));
  return { presence: { gpus, unsure: 0 }, events };
}

const isSame = (known: KnownGpu, sample: GpuSample): boolean =>
  known.uuid !== null && sample.uuid !== null ? known.uuid === sample.uuid : known.gpu === sample.gpu;

const MEANINGS = {
  lost: 'The GPU is no longer among those that are read; look for XID 79 in the kernel log, and at its power and seating.',
  returned: 'The GPU is among those that are read again.',
} as const;
