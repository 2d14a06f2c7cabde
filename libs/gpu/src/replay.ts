import { readFile } from 'node:fs/promises';
import { readSmiXml } from './nvidia-smi-xml.js';
import {
  DEFAULT_SCRIPT,
  RECORDINGS,
  stepAt,
  type RecordingName,
  type ReplayScript,
  type ReplayStep,
} from './replay-script.js';
import type { GpuReading, GpuSample, GpuSource } from './types.js';

/** Beside `src` and `dist` alike. */
const FOLDER = new URL('../fixtures/nvidia-smi/', import.meta.url);

export interface ReplayOptions {
  script?: ReplayScript;
  now?: () => Date;
  /** A clock that never goes back, in seconds. */
  elapsed?: () => number;
}

/** Plays recordings of a real H200 in place of reading a device. Every sample says so: `replay` is true. */
export class ReplaySource implements GpuSource {
  readonly name = 'replay';
  private readonly script: ReplayScript;
  private readonly now: () => Date;
  private readonly elapsed: () => number;
  private readonly begin: number;
  private closed = false;

  private constructor(
    private readonly recordings: ReadonlyMap<RecordingName, GpuSample[]>,
    options: ReplayOptions,
  ) {
    this.script = options.script ?? DEFAULT_SCRIPT;
    this.now = options.now ?? (() => new Date());
    this.elapsed = options.elapsed ?? (() => performance.now() / 1000);
    this.begin = this.elapsed();
  }

  /** Reads the recordings; the script's time begins here. */
  static async open(options: ReplayOptions = {}): Promise<ReplaySource> {
    const recordings = new Map<RecordingName, GpuSample[]>();
    for (const name of RECORDINGS) {
      const xml = await readFile(new URL(`${name}.xml`, FOLDER), 'utf8');
      const result = readSmiXml(xml, { time: new Date(0), source: 'replay', replay: true });
      if (!result.ok) throw new Error(`The recording ${name} cannot be read: ${result.reason}`);
      recordings.set(name, result.samples);
    }
    return new ReplaySource(recordings, options);
  }

  async read(): Promise<GpuReading> {
    const source = this.name;
    if (this.closed) return { state: 'failed', source, kind: 'aborted', reason: 'the replay was closed' };
    const step = stepAt(this.script, this.elapsed() - this.begin);
    const time = this.now();
    const samples = this.recordings.get(step.recording)!.map((s) => override({ ...s, time }, step));
    return { state: 'up', source, samples, notes: [], events: [] };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** The sample with the step's own values in place of the recorded ones. */
function override(sample: GpuSample, step: ReplayStep): GpuSample {
  const changed: GpuSample = {
    ...sample,
    utilization: step.utilizationRatio ?? sample.utilization,
    temperature: step.temperatureCelsius ?? sample.temperature,
    power: step.powerWatts ?? sample.power,
  };
  if (step.memoryUsedRatio === undefined || sample.memoryTotal === null) return changed;
  const memoryUsed = Math.round(step.memoryUsedRatio * sample.memoryTotal);
  return { ...changed, memoryUsed, memoryRatio: memoryUsed / sample.memoryTotal };
}
