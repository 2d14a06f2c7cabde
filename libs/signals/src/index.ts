export * from './catalogue.js';
export * from './format.js';
export {
  ENGINE_LABELS,
  EVENT_LABELS,
  GPU_LABELS,
  NODE_LABELS,
  PROMETHEUS_LABELS,
  REQUEST_LABELS,
  selector,
} from './labels.js';
export { DURATION_BUCKETS, REQUEST_METRICS, type MetricDefinition } from './metrics.js';
export type * from './types.js';
export { aggregatesOf, measuresAbsence, quantileOf, readsWindow, restsOnRequests, takesWindow } from './compute.js';
export { AGGREGATES } from './types.js';
export * from './recording.js';
