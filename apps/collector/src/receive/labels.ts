/** The value that stands for all further ones. */
export const OTHER = 'other';
export const UNKNOWN = 'unknown';

const NODES_MAX = 1_000;
const ENGINES_MAX = 50;
const ENDPOINTS_MAX = 1_000;
/** Label sets at `/metrics`; each holds some hundred numbers. */
const SETS_MAX = 1_000;

export interface RequestLabels {
  node: string;
  engine: string;
  model: string;
  endpoint: string;
  operation: string;
}

/** Lets a bounded number of values pass, in order of appearance; all others become `other`. */
class Values {
  private readonly seen = new Set<string>();

  constructor(private readonly max: number) {}

  has(value: string): boolean {
    return this.seen.has(value);
  }

  admit(value: string): string {
    if (this.seen.has(value) || value === UNKNOWN) return value;
    if (this.seen.size >= this.max) return OTHER;
    this.seen.add(value);
    return value;
  }
}

/**
 * Keeps labels few, whatever senders and their clients write: by label, and in their combinations, where node and
 * endpoint give way first. Remembered as long as the process lives.
 */
export class LabelBounds {
  private readonly nodes = new Values(NODES_MAX);
  private readonly engines = new Values(ENGINES_MAX);
  private readonly endpoints = new Values(ENDPOINTS_MAX);
  private readonly sets = new Values(SETS_MAX);
  private readonly models: Values;

  constructor(modelsMax: number) {
    this.models = new Values(modelsMax);
  }

  /**
   * @param rejected the request was refused as the client's mistake: its model may be any text, and passes only where
   * a request that was not refused has named it
   */
  admit(labels: RequestLabels, rejected: boolean): RequestLabels {
    const { node, engine, model, endpoint, operation } = labels;
    const bounded = {
      node: this.nodes.admit(node),
      engine: this.engines.admit(engine),
      model: rejected ? (this.models.has(model) ? model : UNKNOWN) : this.models.admit(model),
      endpoint: this.endpoints.admit(endpoint),
      operation,
    };
    if (this.sets.admit(JSON.stringify(Object.values(bounded))) !== OTHER) return bounded;
    return { ...bounded, node: OTHER, endpoint: OTHER };
  }
}
