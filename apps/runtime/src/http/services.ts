import type { Engine } from '../engine/engine.js';
import type { RuntimeMetrics } from '../metrics.js';

/** What the controllers need; given to Nest under this token. */
export const SERVICES = Symbol('services');

export interface Services {
  engine: Engine;
  /** The model's name, as clients say it. */
  model: string;
  /** When it was loaded, in seconds since 1970. */
  created: number;
  metrics: RuntimeMetrics;
}
