import type { DeviceFacts } from '@vigil/gpu';
import { readMemory } from '@vigil/host';
import { cardOf } from '../../size/cards.js';
import type { Named } from '../../size/subject.js';
import { percent, speed } from '../../text.js';
import { measureMemoryBandwidth, type Bandwidth } from '../measure/memory-bandwidth.js';
import { pass, QUICK, skip, warn, type Check, type Finding } from '../types.js';
import { visibleGpus } from './gpu.js';

export const memoryBandwidth: Check = {
  id: 'host.memory-bandwidth',
  title: 'Memory bandwidth',
  heavy: true,
  async run(context) {
    if (context.quick) return skip(QUICK);
    const host = await measureMemoryBandwidth(readMemory(context.roots)?.available ?? 2 ** 30);
    const { facts } = await context.gpus();
    const devices = facts.state === 'up' ? facts.devices : [];
    const name = (await visibleGpus(context)).map((s) => s.name).find((n) => n !== null) ?? devices[0]?.name ?? null;
    return decideBandwidth(
      host,
      name === null ? undefined : { name, bandwidth: gpuBandwidth(name, devices) },
      context.subject,
    );
  },
};

/** Memory buses, in bits, where one name has variants that differ by their clock. HBM and GDDR move 2 bits a cycle. */
const BUS_BITS: readonly [RegExp, number][] = [[/\bA100\b|\bH100\b/, 5120]];

/**
 * Bytes a second that a GPU's memory gives: width of its bus × 2 × the highest clock where both are known, else the data
 * sheet's figure; `undefined` for a card that we do not know.
 */
export function gpuBandwidth(name: string, devices: readonly DeviceFacts[]): number | undefined {
  const bits = BUS_BITS.find(([pattern]) => pattern.test(name))?.[1];
  const clock = devices.find((d) => d.name === name)?.memoryClockMax ?? null;
  return bits !== undefined && clock !== null ? (bits / 8) * 2 * clock : cardOf(name)?.bandwidth;
}

/** Share of a GPU's bandwidth that the machine's memory should have. */
const WANTED = 0.8;

export function decideBandwidth(
  host: Bandwidth,
  gpu: { name: string; bandwidth: number | undefined } | undefined,
  subject: Named | undefined,
): Finding {
  const measured = `${speed(host.bytesPerSecond)}, copied by ${host.threads} thread${host.threads === 1 ? '' : 's'}`;
  const values = { bytesPerSecond: Math.round(host.bytesPerSecond), gpuBytesPerSecond: gpu?.bandwidth ?? null };
  if (!gpu) {
    // Every token reads all weights, unless they are experts (R1 and V3).
    const dense = subject?.sized.architecture.attention.kind === 'heads' && !subject.model?.experts;
    const most = host.bytesPerSecond / (subject?.sized.weights ?? 1);
    const bound = !dense
      ? ''
      : ` On its processors one conversation with ${subject.name} gets about ${most < 10 ? most.toFixed(1) : Math.round(most)} tokens/s at best.`;
    return { ...skip(`There is no GPU to compare it with.${bound}`, measured), values };
  }
  if (gpu.bandwidth === undefined)
    return { ...skip(`The bandwidth of ${gpu.name} is not in the table.`, measured), values };
  const ratio = host.bytesPerSecond / gpu.bandwidth;
  const compared = `${percent(ratio)} of the ${speed(gpu.bandwidth)} of ${gpu.name}`;
  if (ratio >= WANTED) return { ...pass(measured, `${compared}.`), values };
  return {
    ...warn(
      measured,
      `${compared}; ${percent(WANTED)} are wanted. It counts where layers or KV cache are left to the machine's memory.`,
      'Keep the whole model on GPUs; else fill every memory channel, and let no other machine share the host.',
    ),
    values,
  };
}
