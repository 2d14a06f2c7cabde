import { readSmiObject, type SmiContext } from './nvidia-smi-xml.js';
import { oneLine } from './quantity.js';
import type { GpuFailureKind, GpuReading } from './types.js';

/** What went wrong in the child. Output is cut to its first characters. */
export interface SmiError {
  message: string;
  /** An exit code, or a word such as `ENOENT` or `ERR_CHILD_PROCESS_STDIO_MAXBUFFER`. */
  code: number | string | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** What the child answers, once a question. */
export interface SmiAnswer {
  id: number;
  /** The object of node-nvidia-smi, `null` for empty output. */
  data?: unknown;
  error?: SmiError;
  /** Standard error of a run whose output was read all the same. */
  stderr?: string;
  /** Exit code of such a run. */
  exitCode?: number;
}

/** Exit codes of nvidia-smi (its manual, "RETURN VALUE") and of NVML that say more than "it failed". */
const EXIT_CODES: Readonly<Record<number, { kind: GpuFailureKind; meaning: string }>> = {
  4: { kind: 'exit', meaning: 'this user may not read the GPU' },
  6: { kind: 'no-devices', meaning: 'it finds no GPU' },
  8: { kind: 'exit', meaning: "a GPU's power cables are not attached" },
  9: { kind: 'driver', meaning: 'the NVIDIA driver is not loaded or does not answer' },
  10: { kind: 'driver', meaning: 'the kernel sees an interrupt problem with a GPU' },
  12: { kind: 'driver', meaning: 'the NVML library is missing' },
  13: { kind: 'driver', meaning: 'the NVML library is older than nvidia-smi' },
  15: { kind: 'gpu-lost', meaning: 'a GPU fell off the bus' },
  18: { kind: 'driver', meaning: 'driver and NVML library do not fit' },
  126: { kind: 'exit', meaning: 'the file may not be executed' },
};

/** A reading from what the child answered. Pure; never throws. */
export function readSmiAnswer(answer: SmiAnswer, context: SmiContext): GpuReading {
  const { source } = context;
  if (answer.error) return readSmiError(answer.error, source);
  const result = readSmiObject(answer.data, context);
  if (!result.ok) return { state: 'failed', source, kind: result.kind, reason: result.reason };
  const notes = [...result.notes];
  if (answer.exitCode) notes.push(`nvidia-smi ended with code ${answer.exitCode}, with whole output`);
  if (answer.stderr) notes.push(`nvidia-smi wrote to standard error: ${oneLine(answer.stderr)}`);
  return { state: 'up', source, samples: result.samples, notes, events: [] };
}

function readSmiError(error: SmiError, source: string): GpuReading {
  const failed = (kind: GpuFailureKind, reason: string): GpuReading => ({ state: 'failed', source, kind, reason });
  const said = oneLine(error.stdout) || oneLine(error.stderr);
  const quote = said === '' ? '' : `; it said: ${said}`;
  // A shell answers 127 for a missing program, and so does the loader for a missing library: that one is a defect.
  const library = /shared librar|cannot open shared object/i.test(error.stderr);
  if ((error.code === 127 && !library) || error.code === 'ENOENT')
    return { state: 'none', source, reason: 'nvidia-smi is not on the PATH: no NVIDIA GPU, or no driver, here' };
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return failed('too-large', 'nvidia-smi printed more than 1 MiB');
  if (typeof error.code === 'number') {
    const known = EXIT_CODES[error.code];
    const meaning = known ? ` (${known.meaning})` : '';
    return failed(known?.kind ?? 'exit', `nvidia-smi ended with code ${error.code}${meaning}${quote}`);
  }
  if (error.signal !== null) return failed('exit', `nvidia-smi was ended by ${error.signal}${quote}`);
  if (typeof error.code === 'string') return failed('child', `nvidia-smi did not start: ${oneLine(error.message)}`);
  return failed('malformed', `the output of nvidia-smi is not whole XML: ${oneLine(error.message)}${quote}`);
}
