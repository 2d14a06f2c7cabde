import { spawn } from 'node:child_process';
import { killGroup } from './process-group.js';
import { COUNT, HERTZ, oneLine, quantity } from './quantity.js';

/** What a GPU is and how it is set up, which no sample tells. `null` where the driver does not say. */
export interface DeviceFacts {
  /** Index on its node, as text. */
  gpu: string;
  name: string | null;
  /** Such as `Hopper`. */
  architecture: string | null;
  /** Whether the driver stays loaded while nobody uses the GPU. */
  persistence: boolean | null;
  /** Whether errors of its memory are corrected: now, and after the next restart. */
  ecc: boolean | null;
  eccPending: boolean | null;
  /** Hertz, the highest that the memory runs at. */
  memoryClockMax: number | null;
}

export type FactsReading =
  | {
      state: 'up';
      driver: string | null;
      /** The newest CUDA that the driver runs, such as `13.0`. */
      cuda: string | null;
      devices: DeviceFacts[];
    }
  | { state: 'none' | 'failed'; reason: string };

export interface FactsOptions {
  /** Deadline in seconds; the tool is killed past it. */
  timeoutSeconds: number;
  env?: NodeJS.ProcessEnv;
}

const MAX_OUTPUT_BYTES = 4 * 2 ** 20;

/** Asks `nvidia-smi -q -x` once. Never throws, and answers within the deadline, whatever the driver does. */
export async function readDeviceFacts(options: FactsOptions): Promise<FactsReading> {
  const run = await runTool(options);
  if (run.problem !== undefined) return run.problem;
  const { output, code } = run;
  // Some codes are warnings beside a whole document (14: the infoROM is corrupt).
  if (!output.trimEnd().endsWith('</nvidia_smi_log>'))
    return {
      state: 'failed',
      reason: `nvidia-smi ended with code ${code}: ${oneLine(output) || 'it printed nothing'}`,
    };
  const facts = parseDeviceFacts(output);
  if (facts.devices.length === 0) return { state: 'failed', reason: 'nvidia-smi runs and names no GPU' };
  return { state: 'up', ...facts };
}

type Run =
  | { problem: Exclude<FactsReading, { state: 'up' }> }
  | { problem?: undefined; output: string; code: number | string | null };

function runTool({ timeoutSeconds, env = process.env }: FactsOptions): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn('nvidia-smi', ['-q', '-x'], { env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (run: Run): void => {
      clearTimeout(timer);
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
      // One that hangs in the driver can't be killed: it must not keep this process.
      child.stdout.destroy();
      child.unref();
      resolve(run);
    };
    const failed = (reason: string): void => end({ problem: { state: 'failed', reason } });
    const timer = setTimeout(
      () => failed(`nvidia-smi did not answer within ${timeoutSeconds} s`),
      timeoutSeconds * 1000,
    );
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT'
        ? end({ problem: { state: 'none', reason: 'nvidia-smi is not on the PATH' } })
        : failed(`nvidia-smi could not be started: ${error.message}`),
    );
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_OUTPUT_BYTES) failed('nvidia-smi printed more than 4 MiB');
      else chunks.push(chunk);
    });
    child.once('close', (code, signal) =>
      end({ output: Buffer.concat(chunks).toString('utf8'), code: code ?? signal }),
    );
  });
}

/** Reads the output of `nvidia-smi -q -x`, schemas v10 to v13. Pure; whatever stands in it, it answers. */
export function parseDeviceFacts(xml: string): {
  driver: string | null;
  cuda: string | null;
  devices: DeviceFacts[];
} {
  const [head = '', ...gpus] = xml.split(/<gpu id=/);
  const version = (name: string) => /^\d+(?:\.\d+)+$/.exec(element(head, name) ?? '')?.[0] ?? null;
  return {
    driver: version('driver_version'),
    cuda: version('cuda_version'),
    devices: gpus.map((gpu, index) => ({
      gpu: String(index),
      name: element(gpu, 'product_name'),
      architecture: element(gpu, 'product_architecture'),
      persistence: mode(element(gpu, 'persistence_mode')),
      ecc: mode(element(gpu, 'current_ecc')),
      eccPending: mode(element(gpu, 'pending_ecc')),
      memoryClockMax: hertz(element(section(gpu, 'max_clocks') ?? '', 'mem_clock')),
    })),
  };
}

/** Text of the first element of a name; `null` for none and for what means none. */
function element(xml: string, name: string): string | null {
  const start = xml.indexOf(`<${name}>`);
  if (start < 0) return null;
  const from = start + name.length + 2;
  const text = oneLine(xml.slice(from, xml.indexOf('<', from)));
  return text === '' || /^(n\/a|unknown|\[.*\])$|deprecated|unknown error/i.test(text) ? null : text;
}

function section(xml: string, name: string): string | null {
  const start = xml.indexOf(`<${name}>`);
  return start < 0 ? null : xml.slice(start, xml.indexOf(`</${name}>`, start));
}

function mode(text: string | null): boolean | null {
  return text === 'Enabled' ? true : text === 'Disabled' ? false : null;
}

function hertz(text: string | null): number | null {
  const value = quantity(text, HERTZ);
  return value !== null && value > COUNT.min ? value : null;
}
