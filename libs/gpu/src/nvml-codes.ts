import type { GpuFailureKind } from './types.js';

/** What NVML's return codes mean (nvml.h, `nvmlReturn_t`). */
const MEANINGS: Readonly<Record<number, string>> = {
  1: 'NVML is not initialised',
  2: 'an argument is wrong',
  3: 'not supported',
  4: 'this user may not read the GPU',
  6: 'not found',
  7: 'the buffer is too small',
  8: "a GPU's power cables are not attached",
  9: 'the NVIDIA driver is not loaded or does not answer',
  10: 'the driver gave no answer in time',
  11: 'the kernel sees an interrupt problem with a GPU',
  12: 'the NVML library is missing',
  13: 'the library lacks the function',
  15: 'a GPU fell off the bus',
  16: 'the GPU must be reset',
  17: 'the operating system keeps the GPU from being read',
  18: 'driver and NVML library do not fit',
  20: 'there is not enough memory',
  25: 'the library wants another version of a structure',
  26: 'no longer supported',
  28: 'the GPU is not there',
  999: 'unknown error',
};

/** Codes after which nothing that NVML says can be relied on until it is initialised anew. */
const ENDING: Readonly<Record<number, GpuFailureKind>> = {
  1: 'driver',
  9: 'driver',
  15: 'gpu-lost',
  18: 'driver',
  28: 'gpu-lost',
};

/** NVML itself, rather than one field of one GPU, does not answer. */
export class NvmlError extends Error {
  constructor(
    readonly kind: GpuFailureKind,
    message: string,
  ) {
    super(message);
  }
}

export const meaningOf = (code: number): string => `code ${code}${MEANINGS[code] ? `: ${MEANINGS[code]}` : ''}`;

/** The kind of failure of a code that ends the cycle; `undefined` for one that concerns the one call only. */
export const endingKind = (code: number): GpuFailureKind | undefined => ENDING[code];
