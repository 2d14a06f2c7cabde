import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fail, pass, skip, warn, type Check, type Finding } from '../types.js';

/**
 * The first driver of each CUDA (NVIDIA, "CUDA Compatibility", table 1): a build for any 12.x runs from 525 on, one for
 * any 13.x from 580 on.
 */
const DRIVER_OF_CUDA_12 = 525;
const DRIVER_OF_CUDA_13 = 580;
/** Before Turing (compute capability 7.5), which vLLM and CUDA 13 ask for. */
const TOO_OLD = /^(Kepler|Maxwell|Pascal|Volta)$/;

export const gpuDriver: Check = {
  id: 'gpu.driver',
  title: 'Driver and CUDA',
  async run(context) {
    const { reading, facts } = await context.gpus();
    if (reading.state === 'none') return skip('There is no GPU.');
    const told = facts.state === 'up' ? facts : undefined;
    const driver = told?.driver ?? (reading.state === 'up' ? (reading.samples[0]?.driver ?? null) : null);
    return decideDriver(driver, told?.cuda ?? null, told?.devices.map((d) => d.architecture) ?? []);
  },
};

/** Decides on versions such as `580.159.04` and `13.0`. */
export function decideDriver(
  driver: string | null,
  cuda: string | null,
  architectures: readonly (string | null)[],
): Finding {
  const major = Number.parseInt(driver ?? '', 10);
  if (!(major > 0)) return skip('The driver does not say its version.');
  const measured = `driver ${driver}${cuda === null ? '' : `, CUDA ${cuda}`}`;
  const values = { driver, cuda };
  const update = `Install driver ${DRIVER_OF_CUDA_13} or newer.`;
  if (major < DRIVER_OF_CUDA_12)
    return {
      ...fail(
        measured,
        `CUDA 12 needs driver ${DRIVER_OF_CUDA_12}: neither llama.cpp's builds nor vLLM's run.`,
        update,
      ),
      values,
    };
  const old = architectures.find((name) => name !== null && TOO_OLD.test(name));
  if (old)
    return {
      ...warn(
        measured,
        `vLLM and CUDA 13 need Turing (compute capability 7.5) or newer, and this GPU is ${old}.`,
        "Serve with llama.cpp, as Vigil's own runtime does, or use a newer card.",
      ),
      values,
    };
  if (major < DRIVER_OF_CUDA_13)
    return {
      ...warn(
        measured,
        `Builds for CUDA 12 run (vLLM's, llama.cpp's second choice); those for CUDA 13 need driver ${DRIVER_OF_CUDA_13}.`,
        update,
      ),
      values,
    };
  return {
    ...pass(measured, "It runs builds for CUDA 12 and 13: vLLM's, and llama.cpp's of Vigil's runtime."),
    values,
  };
}

/** What llama.cpp's prebuilt CUDA backends of node-llama-cpp are linked with; vLLM brings its own. */
const LIBRARIES = ['libcudart', 'libcublas'] as const;
const VERSIONS = ['13', '12'] as const;

export const gpuLibraries: Check = {
  id: 'gpu.libraries',
  title: 'CUDA libraries',
  async run(context) {
    const { reading } = await context.gpus();
    if (reading.state === 'none') return skip('There is no GPU.');
    if (reading.state === 'up' && reading.samples.some((s) => s.replay)) return skip('A recording is played.');
    const cached = await linkerCache();
    const folders = (context.env['LD_LIBRARY_PATH'] ?? '').split(':').filter((folder) => folder !== '');
    return decideLibraries((name) => cached.includes(`${name} `) || folders.some((f) => existsSync(join(f, name))));
  },
};

/** Decides by what the dynamic linker finds. */
export function decideLibraries(finds: (library: string) => boolean): Finding {
  const whole = VERSIONS.find((version) => LIBRARIES.every((name) => finds(`${name}.so.${version}`)));
  if (whole) return pass(`CUDA ${whole}`, "Vigil's runtime computes on the GPU.");
  return warn(
    'not found',
    "Without libcudart and libcublas (12 or 13) llama.cpp's CUDA backend does not load: Vigil's runtime would use Vulkan or the processors. vLLM brings its own.",
    'Install the packages cuda-cudart-13-0 and libcublas-13-0 (or a whole CUDA toolkit), then run "sudo ldconfig".',
  );
}

async function linkerCache(): Promise<string> {
  const env = { PATH: `${process.env['PATH'] ?? ''}:/sbin:/usr/sbin` };
  const { stdout } = await promisify(execFile)('ldconfig', ['-p'], { env, timeout: 2000, maxBuffer: 2 ** 24 });
  return stdout;
}
