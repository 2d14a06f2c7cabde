import type { Context, SpanOptions, Tracer } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { expect, it } from 'vitest';
import { RequestSpan } from './request-span.js';
import { createTracer, NO_NOTES } from './tracing.js';

function pause(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** A tracer on a machine that is busy just when a request begins. */
function pausing(tracer: Tracer, ms: number): Tracer {
  return Object.assign(Object.create(tracer) as Tracer, {
    startSpan: (name: string, ...rest: [SpanOptions?, Context?]) => {
      if (name === 'chat') pause(ms);
      return tracer.startSpan(name, ...rest);
    },
  });
}

const seconds = ({ duration: [whole, nano] }: ReadableSpan) => whole + nano / 1e9;

it('is never shorter than its parts, nor than the time to its first chunk, on a machine that pauses', () => {
  const spans: ReadableSpan[] = [];
  const nothing = () => Promise.resolve();
  const processor = { onStart: () => undefined, onEnd: (span: ReadableSpan) => void spans.push(span) };
  const tracer = createTracer({ ...processor, forceFlush: nothing, shutdown: nothing }, { version: '1', node: 'n' });
  const tracing = {
    tracer: pausing(tracer, 20),
    outbox: NO_NOTES,
    provider: 'llama.cpp',
    server: { address: '127.0.0.1', port: 1 },
    captureContent: false,
  };
  const span = new RequestSpan(tracing, {});
  span.asked(
    { stream: true, stop: [], conversationId: undefined, messages: [] },
    { usage: { input: 1, output: 3, reasoning: 3 } },
  );
  span.started(0, 1);
  span.firstToken();
  span.token();
  span.end(200);
  const [queue, prefill, decode, whole] = ['queue', 'prefill', 'decode', 'chat'].map((name) =>
    spans.find((one) => one.name === name)!,
  );
  expect(whole!.attributes['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(0.019);
  expect(whole!.attributes['gen_ai.response.time_to_first_chunk']).toBeLessThanOrEqual(seconds(whole!));
  expect(seconds(queue!) + seconds(prefill!) + seconds(decode!)).toBeCloseTo(seconds(whole!), 5);
  expect([queue!.startTime, decode!.endTime]).toEqual([whole!.startTime, whole!.endTime]);
});
