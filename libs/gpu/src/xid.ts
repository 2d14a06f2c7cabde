import type { GpuEvent, GpuEventClass } from './types.js';

export interface XidMeaning {
  class: GpuEventClass;
  /** A sentence: what happened, and what helps. */
  meaning: string;
}

/** After these a GPU cannot be trusted until somebody has acted. Alert rules rely on this list. */
export const CRITICAL_XIDS = [48, 62, 64, 74, 79, 95, 119, 120] as const;

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const COPY = 'A copy engine met an error; restart the program';
const VIDEO = 'A video or image engine met an error; restart the program';
const NVLINK = 'An NVLink unit of the GPU reports an error; see XID 154 and the link counters for what to do';

/**
 * What NVIDIA's catalogue of XIDs says of each code, in our words. `critical` and `warning` are those after which the
 * GPU or the node needs somebody; everything that a program brings upon itself, or that the driver repaired by itself,
 * is `application`.
 */
const CATALOGUE: readonly (readonly [codes: readonly number[], GpuEventClass, string])[] = [
  // A GPU that cannot be trusted.
  [[48], 'critical', 'Memory of the GPU has an error that ECC could not correct; reset the GPU or reboot the node'],
  [[62], 'critical', 'The microcontroller that manages power and clocks has halted; reset the GPU'],
  [[64], 'critical', 'A faulty row of memory could not be replaced; reset the GPU, and have it exchanged if it recurs'],
  [[74], 'critical', 'A connection over NVLink failed; look at both its ends, then reset the GPU or reboot the node'],
  [
    [79],
    'critical',
    'The GPU fell off the bus: PCIe does not reach it any more; restart the machine, check power and seating',
  ],
  [
    [95],
    'critical',
    'A memory error was not contained and may have hit any program; reset the GPU before using it again',
  ],
  [
    [119],
    'critical',
    "The GPU's system processor (GSP) did not answer in time; reset the GPU, power-cycle the node if it recurs",
  ],
  [
    [120],
    'critical',
    "The GPU's system processor (GSP) met an error; reset the GPU, power-cycle the node if it recurs",
  ],
  // A GPU that works and wants somebody's attention.
  [
    [94],
    'warning',
    'A memory error was contained to one program; restart that program, and reset the GPU when convenient',
  ],
  [[46], 'warning', 'The GPU stopped processing and timed out; reset the GPU'],
  [[54], 'warning', 'The auxiliary power of the board is not connected; check the cables'],
  [[78], 'warning', 'A virtual GPU could not be started; update the driver'],
  [[109], 'warning', 'Switching between programs timed out; reset the GPU'],
  [[110], 'warning', 'A security fault: revert recent changes of the hardware, then power-cycle the machine'],
  [[136], 'warning', 'Training a link failed; reset the GPU and check the link'],
  [[140], 'warning', 'Uncorrectable memory errors could not be marked for replacement; reset the GPU'],
  [[143], 'warning', 'The GPU could not be initialised; reset it'],
  [range(144, 150), 'warning', NVLINK],
  [[151], 'warning', 'Rotating the keys of confidential computing failed; restart the virtual machine'],
  [[154], 'warning', 'The driver changed what it wants done with the GPU; see its recovery action'],
  [[155], 'warning', 'An NVLink went down by intent of the software; reset the GPU if it should be up'],
  [[156], 'warning', 'A part of the GPU was taken out of use; reset the GPU so that it takes effect'],
  [[157], 'warning', 'A faulty part of the GPU could not be replaced since no spare is left; plan its exchange'],
  [[158], 'warning', 'The GPU met a fatal timeout; reset it'],
  [[161], 'warning', 'A faulty channel of memory could not be taken out of use; plan an exchange'],
  [[163, 164, 165], 'warning', 'Power smoothing is off, or its hardware is near the end of its life'],
  [[167], 'warning', 'PCIe met a fatal timeout; reset the GPU'],
  [[168], 'warning', 'Errors in protected memory shrank what the GPU can use; enable ECC and reboot'],
  [[169], 'warning', 'The security microcontroller has halted; reset the GPU'],
  [[171], 'warning', 'Detail of XID 48: the uncorrectable error lies in DRAM'],
  [[172], 'warning', 'Detail of XID 48: the uncorrectable error lies in SRAM'],
  // What programs bring upon themselves, and what the driver has already dealt with.
  [[8], 'application', 'The GPU stopped processing for a program; restart the program'],
  [
    [11, 25, 32, 80],
    'application',
    'Commands that a program sent were invalid or were damaged on their way; restart it',
  ],
  [
    [13],
    'application',
    'A kernel did what it may not, such as reaching past the end of an array; look into the program',
  ],
  [[31], 'application', 'A program touched memory that is not its own; look into the program'],
  [[37, 38, 44, 66, 67], 'application', 'Firmware of the graphics engine met an error that needs no action'],
  [[...range(39, 41), ...range(70, 72), ...range(75, 77), 85, ...range(126, 135)], 'application', COPY],
  [[43], 'application', 'A program met a fault of its own and was ended; the GPU is healthy'],
  [
    [45],
    'application',
    'A program was ended, or cleaned up after an error before it, and its work on the GPU was dropped',
  ],
  [[60, 68, 82, 83, 84, 86, 88, 89, ...range(96, 105), 139, 142], 'application', VIDEO],
  [[63], 'application', 'A faulty row of memory was marked for replacement; it takes effect with the next reset'],
  [[69], 'application', 'A program used the graphics engine wrongly; restart the program'],
  [[92], 'application', 'ECC corrects many single-bit errors; watch whether it goes on'],
  [[93], 'application', 'The wear limit set for the infoROM was reached; it is not written any more'],
  [[106, 107], 'application', 'A test message of the management bus'],
  [[121], 'application', 'Errors on the link to the CPU were corrected; reset the GPU at a convenient time'],
  [[137], 'application', 'A program accessed a peer over NVLink where it may not; look into the program'],
  [[141], 'application', 'A shortcut of CUDA met an error that needs no action'],
  [[160], 'application', 'A faulty channel of memory was marked for repair'],
  [[162], 'application', 'Power smoothing is on again'],
];

const BY_CODE: ReadonlyMap<number, XidMeaning> = new Map(
  CATALOGUE.flatMap(([codes, kind, meaning]) => codes.map((code) => [code, { class: kind, meaning: `${meaning}.` }])),
);

/**
 * What an XID means.
 * Source: NVIDIA, "Xid Errors", catalogue for Ampere and later, https://docs.nvidia.com/deploy/xid-errors/
 */
export function describeXid(code: number): XidMeaning {
  return (
    BY_CODE.get(code) ?? {
      class: 'unknown',
      meaning: `XID ${code} is not in the catalogue that Vigil knows; look it up in NVIDIA's.`,
    }
  );
}

/** An XID as an event. */
export function xidEvent(
  code: number,
  told: Pick<GpuEvent, 'time' | 'gpu' | 'uuid' | 'replay' | 'source'> & { message?: string | null },
): GpuEvent {
  const { message = null, ...rest } = told;
  return { ...rest, kind: 'xid', code, ...describeXid(code), message };
}
