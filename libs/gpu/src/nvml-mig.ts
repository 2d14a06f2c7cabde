import { ATTRIBUTES, CODE, readHandle, readText, readU64, TEXT_BYTES, type Handle } from './nvml-abi.js';
import type { NvmlCalls } from './nvml-calls.js';
import { meaningOf } from './nvml-codes.js';
import { MAX_TEXT } from './quantity.js';

/** As the most MIG devices of one GPU; NVML knows 7 of them today. */
const MAX_INSTANCES = 64;

/** A GPU instance: a part of a GPU with memory of its own. */
export interface Instance {
  /** Its number on its GPU. */
  gpuInstance: number;
  /** NVML has a handle for each compute instance in it; they share its memory. */
  handles: Handle[];
  /** Of its first compute instance. */
  uuid: string | null;
  name: string | null;
  /** Such as `1g.18gb`. */
  profile: string | null;
}

/**
 * The GPU instances of a GPU in MIG mode, by number. A handle of NVML's dies with its instance, and one that dies
 * between two calls is left out: no failure here says anything of the GPU.
 * @throws NvmlError where the GPU itself is lost
 */
export function listInstances(calls: NvmlCalls, device: Handle): Instance[] {
  const word = Buffer.alloc(8);
  const found = new Map<number, Instance>();
  const count = Math.min(calls.u32('nvmlDeviceGetMaxMigDeviceCount', device) ?? 0, MAX_INSTANCES);
  for (let i = 0; i < count; i++) {
    const code = calls.code('nvmlDeviceGetMigDeviceHandleByIndex', device, i, word);
    // The numbers have holes.
    if (code === CODE.notFound) continue;
    if (code !== CODE.ok) {
      calls.note(`nvmlDeviceGetMigDeviceHandleByIndex answered with ${meaningOf(code)}`);
      break;
    }
    const handle = readHandle(word);
    const gpuInstance = gpuInstanceOf(calls, handle);
    if (gpuInstance === undefined) continue;
    const known = found.get(gpuInstance);
    if (known !== undefined) {
      known.handles.push(handle);
      continue;
    }
    const name = text(calls, 'nvmlDeviceGetName', handle);
    const uuid = text(calls, 'nvmlDeviceGetUUID', handle);
    const profile = profileOf(name) ?? profileFromAttributes(calls, handle);
    found.set(gpuInstance, { gpuInstance, handles: [handle], uuid, name, profile });
  }
  return [...found.values()].toSorted((a, b) => a.gpuInstance - b.gpuInstance);
}

/** Whether the handles that were found earlier still are those of their instance. */
export function isAlive(calls: NvmlCalls, { gpuInstance, handles }: Instance): boolean {
  return handles.every((handle) => gpuInstanceOf(calls, handle) === gpuInstance);
}

/** The profile at the end of a MIG device's name. One for a part of an instance (`1c.3g.40gb`) names that instance. */
export function profileOf(name: string | null): string | null {
  return /\bMIG (?:\d+c\.)?(\d+g\.\d+gb\S*)$/.exec(name ?? '')?.[1] ?? null;
}

function profileFromAttributes(calls: NvmlCalls, handle: Handle): string | null {
  const buffer = Buffer.alloc(ATTRIBUTES.bytes);
  if (calls.rawCode('nvmlDeviceGetAttributes_v2', handle, buffer) !== CODE.ok) return null;
  const slices = buffer.readUInt32LE(ATTRIBUTES.slices);
  const mebibytes = readU64(buffer, ATTRIBUTES.memory);
  // Profiles are named by whole gigabytes: 4864 MiB are 5gb.
  return slices === 0 || mebibytes === null ? null : `${slices}g.${Math.ceil(mebibytes / 1024)}gb`;
}

function gpuInstanceOf(calls: NvmlCalls, handle: Handle): number | undefined {
  const word = Buffer.alloc(4);
  return calls.rawCode('nvmlDeviceGetGpuInstanceId', handle, word) === CODE.ok ? word.readUInt32LE() : undefined;
}

function text(calls: NvmlCalls, name: 'nvmlDeviceGetName' | 'nvmlDeviceGetUUID', handle: Handle): string | null {
  const buffer = Buffer.alloc(TEXT_BYTES);
  return calls.rawCode(name, handle, buffer, TEXT_BYTES) === CODE.ok ? readText(buffer, MAX_TEXT) : null;
}
