import type { EngineSampleRow } from '@vigil/store';
import type { EngineReading } from './read.js';

/** What a count was at the reading before. */
interface Counted {
  at: number;
  count: number;
}

/** Makes rows of one engine's readings: one a model. */
export class EngineSampler {
  private preemptions = new Map<string, Counted>();

  constructor(
    private readonly node: string,
    private readonly server: string,
  ) {}

  /** @param now when the engine was read */
  rows({ kind, measured }: EngineReading, now: Date): EngineSampleRow[] {
    const values = new Map(
      measured.map(({ measure, values: list }) => [
        measure.id,
        new Map(list.flatMap(({ model, value }) => (typeof value === 'number' ? [[model, value]] : []))),
      ]),
    );
    const gauges = ['running', 'waiting', 'kv_cache_usage', 'preemptions'].map((id) => values.get(id));
    const models = new Set(gauges.flatMap((of) => [...(of?.keys() ?? [])]));
    const [running, waiting, kvCache, preemptions] = gauges;
    const counted = new Map<string, Counted>();
    const rows = [...models].map((model): EngineSampleRow => {
      const count = preemptions?.get(model);
      if (count !== undefined) counted.set(model, { at: now.getTime(), count });
      return {
        time: now,
        node: this.node,
        server: this.server,
        kind,
        model,
        running: running?.get(model) ?? null,
        waiting: waiting?.get(model) ?? null,
        kvCacheRatio: kvCache?.get(model) ?? null,
        preemptionRate: rateOf(this.preemptions.get(model), counted.get(model)),
      };
    });
    this.preemptions = counted;
    return rows;
  }
}

/** A count that fell began anew. */
function rateOf(before: Counted | undefined, now: Counted | undefined): number | null {
  if (!before || !now || now.at <= before.at) return null;
  const grown = now.count >= before.count ? now.count - before.count : now.count;
  return grown / ((now.at - before.at) / 1000);
}
