import { fileURLToPath } from 'node:url';
import { ForkedSource, type DeviceOptions, type Question } from './forked-source.js';
import type { NvmlResult } from './nvml-read.js';
import type { NvmlXid } from './nvml-session.js';
import type { GpuEvent, GpuReading } from './types.js';
import { xidEvent } from './xid.js';

const NAME = 'nvml';
/** Always the build: Node.js does not run sources that import others by the names of the build. */
const CHILD = fileURLToPath(new URL('../dist/nvml-child.js', import.meta.url));

/**
 * No compiler and no helpers for it: at one reading a second nothing is ever hot, and the child's own memory falls from
 * 26 to 15 MB. The heap's young part is kept small for the same reason.
 */
const FLAGS = ['--jitless', '--v8-pool-size=0', '--max-semi-space-size=1'];
/** Events that wait for a reading that succeeds. */
const MAX_EVENTS = 1024;

/** What the child answers, once a question. */
export type NvmlAnswer = Question & NvmlResult & { events: NvmlXid[] };

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
      execArgv: FLAGS,
      args: library === undefined ? [] : [library],
      toReading: readingsWithEvents(),
      // A driver that was replaced takes its new library, and a process keeps the one that it has loaded.
      restartAfter: ['driver'],
    });
  }
}

/** Events of readings that fail are kept for the next that succeeds, in order and each with its own time. */
function readingsWithEvents(): (answer: NvmlAnswer, time: Date) => GpuReading {
  let waiting: GpuEvent[] = [];
  return (answer, time) => {
    waiting = [...waiting, ...answer.events.map((event) => toEvent(event, time))].slice(-MAX_EVENTS);
    if (answer.state === 'none') return { state: 'none', source: NAME, reason: answer.reason };
    if (answer.state === 'failed') return { state: 'failed', source: NAME, kind: answer.kind, reason: answer.reason };
    const samples = answer.gpus.map((gpu) => ({ ...gpu, time, source: NAME, replay: false }));
    const events = waiting;
    waiting = [];
    return { state: 'up', source: NAME, samples, notes: answer.notes, events };
  };
}

/** NVML does not say when an XID came: its time is that of the reading that found it. */
function toEvent({ gpu, uuid, code }: NvmlXid, time: Date): GpuEvent {
  const about = { time, gpu, uuid, replay: false, source: NAME };
  if (code !== null) return xidEvent(code, about);
  const meaning = 'NVML told an XID without a code.';
  return { ...about, kind: 'xid', code, class: 'unknown', meaning, message: null };
}
