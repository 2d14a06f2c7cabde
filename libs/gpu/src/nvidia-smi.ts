import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ForkedSource, type DeviceOptions } from './forked-source.js';
import { readSmiAnswer, type SmiAnswer } from './nvidia-smi-answer.js';

const NAME = 'nvidia-smi';
/** The same extension as this file: Node.js runs the source (tests) as well as the build. */
const CHILD = fileURLToPath(new URL(`./nvidia-smi-child${extname(import.meta.url)}`, import.meta.url));

/** Reads GPUs with node-nvidia-smi in a forked child. */
export class NvidiaSmiSource extends ForkedSource<SmiAnswer> {
  constructor(options: DeviceOptions) {
    super({
      ...options,
      name: NAME,
      tool: 'nvidia-smi',
      program: CHILD,
      toReading: (answer, time) => readSmiAnswer(answer, { time, source: NAME, replay: false }),
    });
  }
}
