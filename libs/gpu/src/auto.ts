import type { Logger } from '@vigil/service';
import type { GpuFailureKind, GpuReading, GpuSource } from './types.js';

/** After such failures NVML runs all the same: it says what is wrong with a GPU. */
const NVML_RUNS: ReadonlySet<GpuFailureKind> = new Set(['gpu-lost', 'no-devices']);

export interface AutoOptions {
  nvml: () => GpuSource;
  nvidiaSmi: () => GpuSource;
  log: Logger;
}

/**
 * The best source here: NVML where its library can be loaded and initialised, else nvidia-smi, else none. Decided by
 * the first reading, kept once a source reads, and decided anew while none does: a driver may be installed later.
 */
export class AutoSource implements GpuSource {
  readonly name = 'auto';
  private chosen: GpuSource | undefined;
  private closed = false;
  private said = '';

  constructor(private readonly options: AutoOptions) {}

  async read(signal?: AbortSignal): Promise<GpuReading> {
    if (this.closed) return { state: 'failed', source: this.name, kind: 'aborted', reason: 'the source is closed' };
    const reading = await (this.chosen?.read(signal) ?? this.choose(signal));
    // The library or the tool is gone: perhaps another one is there.
    if (reading.state === 'none') await this.drop();
    return reading;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.drop();
  }

  private async drop(): Promise<void> {
    const source = this.chosen;
    this.chosen = undefined;
    await source?.close();
  }

  private async choose(signal?: AbortSignal): Promise<GpuReading> {
    const nvml = (this.chosen = this.options.nvml());
    const first = await nvml.read(signal);
    if (first.state === 'failed' && first.kind === 'aborted') return first;
    if (first.state === 'up' || (first.state === 'failed' && NVML_RUNS.has(first.kind))) {
      this.say('nvml', 'GPU_SOURCE is auto, and NVML runs here');
      return first;
    }
    await nvml.close();
    if (this.closed) return first;
    const smi = (this.chosen = this.options.nvidiaSmi());
    const second = await smi.read(signal);
    const why = `GPU_SOURCE is auto, and NVML cannot be used: ${first.reason}`;
    if (second.state === 'none') {
      const reason = `${first.reason}; ${second.reason}`;
      this.say('none', `GPU_SOURCE is auto: ${reason}`);
      return { state: 'none', source: 'none', reason };
    }
    if (second.state === 'up') this.say(smi.name, why);
    // Both may recover, and NVML is the better one: neither is chosen yet.
    else await this.drop();
    return second;
  }

  private say(source: string, why: string): void {
    if (this.said === `${source} ${why}`) return;
    this.said = `${source} ${why}`;
    this.options.log.info({ source, why }, source === 'none' ? 'no GPU source is here' : `GPUs are read by ${source}`);
  }
}
