import { ProxyTracerProvider, type Tracer } from '@opentelemetry/api';
import type { RequestNotes } from './request-span.js';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, TracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace';

/**
 * A tracer of our own, registered nowhere. Every request is recorded, whatever the caller sampled: rates and error
 * ratios are counted from spans.
 */
export function createTracer(processor: SpanProcessor, resource: { version: string; node: string }): Tracer {
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    resource: resourceFromAttributes({
      'service.name': 'vigil-runtime',
      'service.version': resource.version,
      'host.name': resource.node,
    }),
    spanProcessors: [processor],
  });
  return provider.getTracer('vigil-runtime', resource.version);
}

/** A tracer whose spans are nothing. */
export const createNoTracer = (): Tracer => new ProxyTracerProvider().getTracer('vigil-runtime');

/** Takes no note of requests that are under way. */
export const NO_NOTES: RequestNotes = { begin: () => Promise.resolve() };
