import { readFile } from 'node:fs/promises';
import { readSmiXml } from './nvidia-smi-xml.js';
import {
  DEFAULT_SCRIPT,
  beginnings,
  RECORDINGS,
  stepAt,
  type RecordingName,
  type ReplayScript,
  type ReplayStep,
} from './replay-script.js';
import type { GpuEvent, GpuReading, GpuSample, GpuSource } from './types.js';
import { xidEvent } from './xid.js';

/** Beside `src` and `dist` alike. */
const FOLDER = new URL('../fixtures/nvidia-smi/', import.meta.url);

export interface ReplayOptions {
  script?: ReplayScript;
  now?: () => Date;
  /** A clock that never goes back, in seconds. */
  elapsed?: () => number;
}

/**
 * Plays recordings of a real H200, or of several of its kind, in place of reading a device. Every sample and every event
 * says so: `replay` is true.
 */
export class ReplaySource implements GpuSource {
  readonly name = 'replay';
  private readonly script: ReplayScript;
  private readonly now: () => Date;
  private readonly elapsed: () => number;
  private readonly begin: number;
  /** Seconds of the script up to which its events were told. */
  private toldSeconds = -1;
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
    const elapsed = this.elapsed() - this.begin;
    const time = this.now();
    const step = stepAt(this.script, elapsed);
    const samples = this.gpus(step.recording)
      .filter((s) => step.missing?.includes(Number(s.gpu)) !== true)
      .map((s) => override({ ...s, time }, step));
    // As a driver whose last card is gone. XIDs are told with the next good reading.
    if (samples.length === 0)
      return { state: 'failed', source, kind: 'no-devices', reason: 'every GPU of the replay is missing' };
    return { state: 'up', source, samples, notes: [], events: this.events(elapsed, time) };
  }

  /** The recorded GPU as many times as the script wants, each with a UUID of its own. */
  private gpus(recording: RecordingName): GpuSample[] {
    const [recorded, ...more] = this.recordings.get(recording)!;
    const count = this.script.gpus ?? 1;
    if (count === 1) return [recorded!, ...more];
    return Array.from({ length: count }, (_, i) => ({ ...recorded!, gpu: String(i), uuid: uuidOf(recorded!, i) }));
  }

  private events(elapsed: number, now: Date): GpuEvent[] {
    const steps = beginnings(this.script, this.toldSeconds, elapsed);
    this.toldSeconds = elapsed;
    return steps.flatMap(({ step, seconds }) =>
      (step.xids ?? []).map(({ code, gpu = 0 }) => {
        const recorded = this.gpus(step.recording).find((s) => s.gpu === String(gpu));
        const time = new Date(now.getTime() - (elapsed - seconds) * 1000);
        return xidEvent(code, {
          time,
          gpu: recorded?.gpu ?? null,
          uuid: recorded?.uuid ?? null,
          replay: true,
          source: this.name,
        });
      }),
    );
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** The recorded UUID with the index at its end; the first GPU keeps it. */
function uuidOf({ uuid }: GpuSample, index: number): string | null {
  return uuid === null || index === 0 ? uuid : `${uuid.slice(0, -4)}${index.toString(16).padStart(4, '0')}`;
}

/** The sample with the step's own values in place of the recorded ones. */
function override(sample: GpuSample, step: ReplayStep): GpuSample {
  if (step.only?.includes(Number(sample.gpu)) === false) return sample;
  const changed: GpuSample = {
    ...sample,
    utilization: step.utilizationRatio ?? sample.utilization,
    temperature: step.temperatureCelsius ?? sample.temperature,
    power: step.powerWatts ?? sample.power,
    throttleReasons: step.throttleReasons ?? sample.throttleReasons,
    eccCorrected: step.eccCorrected ?? sample.eccCorrected,
    eccUncorrected: step.eccUncorrected ?? sample.eccUncorrected,
    remapPending: step.remapPending ?? sample.remapPending,
    remapFailed: step.remapFailed ?? sample.remapFailed,
    recoveryAction: step.recoveryAction ?? sample.recoveryAction,
  };
  if (step.memoryUsedRatio === undefined || sample.memoryTotal === null) return changed;
  const memoryUsed = Math.round(step.memoryUsedRatio * sample.memoryTotal);
  return { ...changed, memoryUsed, memoryRatio: memoryUsed / sample.memoryTotal };
}
