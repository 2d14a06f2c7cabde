import type { Label, Matchers } from './types.js';

/** How Prometheus calls each label: OpenTelemetry's attribute where there is one. */
export const PROMETHEUS_LABELS: Readonly<Record<Label, string>> = {
  node: 'node',
  gpu: 'gpu',
  replay: 'replay',
  model: 'gen_ai_request_model',
  engine: 'gen_ai_provider_name',
  server: 'engine',
  endpoint: 'endpoint',
  operation: 'gen_ai_operation_name',
  class: 'class',
  code: 'code',
};

export const REQUEST_LABELS = ['node', 'engine', 'model', 'endpoint', 'operation'] as const satisfies readonly Label[];
export const GPU_LABELS = ['node', 'gpu', 'replay'] as const satisfies readonly Label[];
export const NODE_LABELS = ['node'] as const satisfies readonly Label[];
export const ENGINE_LABELS = ['node', 'server', 'model'] as const satisfies readonly Label[];
export const EVENT_LABELS = [...GPU_LABELS, 'class', 'code'] as const satisfies readonly Label[];

/** `name{label="value"}` with values escaped; `extra` holds matchers that are already PromQL. */
export function selector(metric: string, matchers: Matchers = {}, extra: readonly string[] = []): string {
  const parts = Object.entries(matchers).map(
    ([label, value]) => `${PROMETHEUS_LABELS[label as Label]}=${JSON.stringify(value)}`,
  );
  const all = [...parts, ...extra];
  return all.length === 0 ? metric : `${metric}{${all.join(',')}}`;
}

/** `sum by (…) (inner)`, or `sum(inner)` without labels. */
export function aggregate(operator: string, by: readonly Label[], inner: string): string {
  return by.length === 0
    ? `${operator}(${inner})`
    : `${operator} by (${by.map((l) => PROMETHEUS_LABELS[l]).join(', ')}) (${inner})`;
}
