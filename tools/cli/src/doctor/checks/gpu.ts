import type { DeviceFacts, GpuSample } from '@vigil/gpu';
import { readMemory } from '@vigil/host';
import { alternatives, fit, type Fit } from '../../size/fit.js';
import { needOf, splitsEvenly } from '../../size/memory.js';
import type { Named } from '../../size/subject.js';
import { percent, size } from '../../text.js';
import { fail, pass, skip, warn, type Check, type Context, type Finding } from '../types.js';

/** The GPUs that programs see: MIG instances in place of the device that they are parts of. */
export async function visibleGpus(context: Context): Promise<GpuSample[]> {
  const { reading } = await context.gpus();
  if (reading.state !== 'up') return [];
  return reading.samples.filter((s) => s.migProfile !== null || s.migMode !== 'enabled');
}

/** `2 × NVIDIA H200`, `NVIDIA A10, NVIDIA L4`. */
export function namesOf(names: readonly (string | null)[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name ?? 'GPU', (counts.get(name ?? 'GPU') ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${count} × ${name}`)).join(', ');
}

export const gpuPresent: Check = {
  id: 'gpu.present',
  title: 'GPUs',
  async run(context) {
    const { reading } = await context.gpus();
    if (reading.state === 'none')
      return warn(
        'none',
        `There is no GPU that can be read here (${reading.reason}).`,
        'Go on without one for the bundled model; for R1 itself install a GPU and its driver.',
      );
    if (reading.state === 'failed')
      return fail(
        'not readable',
        `${reading.reason} (read by ${reading.source}).`,
        'See that "nvidia-smi" answers: install or reload the driver, or restart the machine.',
      );
    const visible = await visibleGpus(context);
    if (visible.length === 0)
      return fail(
        namesOf(reading.samples.map((s) => s.name)),
        'MIG is enabled and has no instance, so no program can use a GPU.',
        'Create instances ("nvidia-smi mig -cgi … -C"), or disable MIG ("nvidia-smi -mig 0").',
      );
    const memory = visible.map((s) => s.memoryTotal).filter((bytes) => bytes !== null);
    const each = memory.length > 0 ? `, ${size(Math.min(...memory))}${visible.length > 1 ? ' each' : ''}` : '';
    const replayed = visible.some((s) => s.replay) ? ' It is a recording that is played, not this machine.' : '';
    return pass(`${namesOf(visible.map((s) => s.name))}${each}`, `Read by ${reading.source}.${replayed}`);
  },
};

export const gpuMemory: Check = {
  id: 'gpu.memory',
  title: 'Memory for the model',
  async run(context) {
    const { subject } = context;
    if (!subject) return skip('Name what is to be served: --model deepseek-r1-distill-qwen-7b, or --gguf FILE.');
    const visible = await visibleGpus(context);
    const known = visible.filter((s) => s.memoryTotal !== null);
    if (known.length > 0) return memoryOfGpus(subject, known);
    if ((await context.gpus()).reading.state !== 'none') return skip('The GPUs do not say how much memory they have.');
    return memoryOfHost(subject, readMemory(context.roots)?.total ?? null);
  },
};

/** Decides for GPUs that work together; the smallest counts, since every one holds a part of the same size. */
export function memoryOfGpus(subject: Named, gpus: readonly GpuSample[]): Finding {
  const memory = Math.min(...gpus.map((s) => s.memoryTotal!));
  const card = { name: namesOf(gpus.map((s) => s.name)), memory };
  const counts = gpus.map((_, i) => i + 1).filter((n) => splitsEvenly(subject.sized.architecture, n));
  const tried = counts.map((count) => ({ count, ...fit(subject.sized, { name: card.name, card, count }) }));
  const found = tried.find((t) => t.verdict === 'fits') ?? tried.findLast(() => true)!;
  const measured = `${size(found.perGpu)} of ${size(memory)}${found.count > 1 ? ` on each of ${found.count}` : ''} (${percent(found.ratio)})`;
  const values = { neededBytes: found.perGpu, gpuBytes: memory, gpus: found.count, ratio: found.ratio };
  return { ...decideMemory(subject, found, gpus, measured, card), values };
}

function decideMemory(
  subject: Named,
  found: Fit & { count: number },
  gpus: readonly GpuSample[],
  measured: string,
  card: { name: string; memory: number },
): Finding {
  const what = describe(subject);
  if (found.verdict !== 'fits') {
    const instead = alternatives(subject.sized, { name: card.name, card, count: found.count }, subject);
    const remedy =
      instead.length > 0
        ? `Would fit: ${instead.map(({ text, option }) => `${text} (${option})`).join('; ')}.`
        : 'Use GPUs with more memory, more of them, or a smaller model ("npx vigil size" compares them).';
    return found.verdict === 'no'
      ? fail(measured, `${what} does not fit.`, remedy)
      : warn(measured, `${what} fits barely: nothing is left for peaks.`, remedy);
  }
  const free = gpus.slice(0, found.count).map((s) => s.memoryTotal! - (s.memoryReserved ?? 0) - (s.memoryUsed ?? 0));
  if (Math.min(...free) < found.perGpu)
    return warn(
      measured,
      `${what} fits, but only ${size(Math.max(Math.min(...free), 0))} of a GPU are free now${holders(gpus)}.`,
      'All is well if that is the model itself; else end the other programs ("nvidia-smi" names them).',
    );
  return pass(measured, `${what} fits.`);
}

function holders(gpus: readonly GpuSample[]): string {
  const processes = gpus.flatMap((s) => s.processes).filter((p) => p.memory !== null);
  const largest = processes.toSorted((a, b) => b.memory! - a.memory!)[0];
  return largest ? ` (${largest.name ?? 'process'}, PID ${largest.pid}, holds ${size(largest.memory!)})` : '';
}

/** Without a GPU llama.cpp computes on processors, from the machine's memory. */
export function memoryOfHost(subject: Named, total: number | null): Finding {
  if (total === null) return skip('The machine does not say how much memory it has.');
  const need = needOf(subject.sized);
  const bytes = need.total - need.context;
  const measured = `${size(bytes)} of ${size(total)} of the machine (${percent(bytes / total)})`;
  const finding =
    bytes <= total * 0.9
      ? warn(
          measured,
          `${describe(subject)} fits the machine's memory, and would run on its processors, slowly.`,
          'Serve it on a GPU ("npx vigil size" says which hold it).',
        )
      : fail(
          measured,
          `${describe(subject)} does not fit the machine's memory, and there is no GPU.`,
          'Serve it on GPUs ("npx vigil size" says which hold it), or choose a smaller model.',
        );
  return { ...finding, values: { neededBytes: bytes, hostBytes: total } };
}

const describe = ({ name, weightsAre, sized }: Named): string =>
  `${name} in ${weightsAre}, ${sized.concurrency} at once with ${sized.context} tokens each,`;

/** nvidia-smi's word on every GPU, or the row that says why there is none. */
async function factsOf(context: Context): Promise<DeviceFacts[] | Finding> {
  const { reading, facts } = await context.gpus();
  if (reading.state === 'none') return skip('There is no GPU.');
  if (reading.state === 'up' && reading.samples.some((s) => s.replay))
    return skip('A recording is played: it does not say how this machine is set up.');
  return facts.state === 'up' ? facts.devices : skip(`nvidia-smi does not tell: ${facts.reason}.`);
}

/** `GPU 0, 2`. */
const numbers = (devices: readonly { gpu: string }[]): string => `GPU ${devices.map((d) => d.gpu).join(', ')}`;

export const gpuPersistence: Check = {
  id: 'gpu.persistence',
  title: 'Persistence mode',
  async run(context) {
    const devices = await factsOf(context);
    if (!Array.isArray(devices)) return devices;
    const off = devices.filter((d) => d.persistence === false);
    if (off.length > 0)
      return warn(
        `off (${numbers(off)})`,
        'The driver is unloaded whenever no program uses a GPU: starts take seconds longer, and counters and settings are lost.',
        '"sudo systemctl enable --now nvidia-persistenced", or "sudo nvidia-smi -pm 1" until the next restart.',
      );
    if (devices.every((d) => d.persistence === null)) return skip('The driver does not say.');
    return pass('on', 'The driver stays loaded.');
  },
};

export const gpuEcc: Check = {
  id: 'gpu.ecc',
  title: 'ECC memory',
  async run(context) {
    const devices = await factsOf(context);
    const { reading } = await context.gpus();
    const samples = reading.state === 'up' ? reading.samples : [];
    const bad = samples.filter((s) => (s.eccUncorrected ?? 0) > 0 || s.remapFailed === true);
    if (bad.length > 0)
      return fail(
        `errors (${numbers(bad)})`,
        'The memory has had errors that could not be corrected, or a bad row could not be replaced.',
        'Drain the GPU and reset it ("sudo nvidia-smi --gpu-reset"); where it comes back, have the card replaced.',
      );
    if (!Array.isArray(devices)) return devices;
    const pending = devices.filter((d) => d.ecc !== null && d.eccPending !== null && d.ecc !== d.eccPending);
    if (pending.length > 0)
      return warn(
        `changes with the next restart (${numbers(pending)})`,
        'A new setting waits.',
        'Restart the machine.',
      );
    const off = devices.filter((d) => d.ecc === false);
    if (off.length > 0)
      return warn(
        `off (${numbers(off)})`,
        'A flipped bit in weights or KV cache changes answers, and nothing tells.',
        '"sudo nvidia-smi -e 1", then restart the machine; on GDDR cards it costs some memory and bandwidth.',
      );
    if (devices.every((d) => d.ecc === null)) return skip('These cards have no ECC.', 'none');
    return pass('on', 'Errors of the memory are corrected and counted.');
  },
};
