import type { Logger } from '@vigil/service';
import { ProcessAttribution, type AttributionOptions } from './attribution.js';
import type { GpuReading, GpuSource } from './types.js';

/** A source whose processes are told with their containers, and with whether they are Vigil's runtime. */
export class AttributedSource implements GpuSource {
  private readonly attribution: ProcessAttribution;
  private said = false;

  constructor(
    private readonly source: GpuSource,
    private readonly log: Logger,
    options: AttributionOptions = {},
  ) {
    this.attribution = new ProcessAttribution(options);
  }

  get name(): string {
    return this.source.name;
  }

  async read(signal?: AbortSignal): Promise<GpuReading> {
    const reading = await this.source.read(signal);
    if (reading.state !== 'up') return reading;
    const samples = await this.attribution.annotate(reading.samples);
    if (!this.said && reading.samples.some((s) => s.processes.length > 0) && !(await this.attribution.sees())) {
      this.said = true;
      this.log.info(
        "The processes on the GPUs can't be told apart: this collector sees no processes but its own container's. Run it with pid: host, or mount the host's /proc.",
      );
    }
    return { ...reading, samples };
  }

  close(): Promise<void> {
    return this.source.close();
  }
}
