import { fileURLToPath } from 'node:url';
import { ForkedSource, type DeviceOptions, type Question } from './forked-source.js';
import type { NvmlResult } from './nvml-read.js';
import type { GpuReading } from './types.js';

const NAME = 'nvml';
/** Always the build: Node.js does not run sources that import others by the names of the build. */
const CHILD = fileURLToPath(new URL('../dist/nvml-child.js', import.meta.url));

/** What the child answers, once a question. */
export type NvmlAnswer = Question & NvmlResult;

export interface NvmlOptions extends DeviceOptions {
  /** Name or path of the library, in place of `libnvidia-ml.so.1`. */
  library?: string;
}

/** Reads GPUs through NVML in a forked child. */
export class NvmlSource extends ForkedSource<NvmlAnswer> {
  constructor({ library, ...options }: NvmlOptions) {
    super({
      ...options,
      name: NAME,
      tool: 'NVML',
      program: CHILD,
      args: library === undefined ? [] : [library],
      toReading,
      // A driver that was replaced takes its new library, and a process keeps the one that it has loaded.
      restartAfter: ['driver'],
    });
  }
}

function toReading(answer: NvmlAnswer, time: Date): GpuReading {
  if (answer.state === 'none') return { state: 'none', source: NAME, reason: answer.reason };
  if (answer.state === 'failed') return { state: 'failed', source: NAME, kind: answer.kind, reason: answer.reason };
  const samples = answer.gpus.map((gpu) => ({ ...gpu, time, source: NAME, replay: false }));
  return { state: 'up', source: NAME, samples, notes: answer.notes, events: [] };
}
