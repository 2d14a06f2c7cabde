export * from './catalogue.js';
export * from './format.js';
export { GPU_LABELS, PROMETHEUS_LABELS, REQUEST_LABELS, selector } from './labels.js';
export { DURATION_BUCKETS, REQUEST_METRICS, type MetricDefinition } from './metrics.js';
export type * from './types.js';
