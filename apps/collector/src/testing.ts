/* What the tests of this application share; nothing of it runs in the collector. */
import protobuf from 'protobufjs';

/** The part of opentelemetry-proto that traces need, as published, written down anew so that two readings meet. */
const PROTO = `
syntax = "proto3";
message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
message ExportTraceServiceResponse { PartialSuccess partial_success = 1; }
message PartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
message RpcStatus { int32 code = 1; string message = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; string schema_url = 3; }
message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  uint32 dropped_attributes_count = 10; repeated Event events = 11; Status status = 15; fixed32 flags = 16;
}
message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value {
  string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
  ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
`;
const { root } = protobuf.parse(PROTO);

export type Plain = string | number | boolean | Plain[] | { [key: string]: Plain };

export interface TestSpan {
  traceId?: string;
  spanId?: string;
  parentSpanId?: string;
  name?: string;
  kind?: number;
  /** Milliseconds since 1970. */
  start?: number;
  end?: number;
  status?: number;
  attributes?: Record<string, Plain>;
  events?: { name: string; attributes: Record<string, Plain> }[];
}

let spans = 0;

/** A good span of a chat that ended just now, after two seconds. Each call makes another span. */
export function chatSpan(change: TestSpan = {}, attributes: Record<string, Plain> = {}): TestSpan {
  spans += 1;
  const end = change.end ?? Date.now() - 1000;
  return {
    traceId: spans.toString(16).padStart(32, 'a'),
    spanId: spans.toString(16).padStart(16, 'b'),
    name: 'chat m',
    kind: 2,
    start: end - 2000,
    end,
    ...change,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'llama.cpp',
      'gen_ai.request.model': 'm',
      'gen_ai.response.model': 'm',
      'gen_ai.response.id': `chatcmpl-${spans}`,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.request.stream': true,
      'gen_ai.response.time_to_first_chunk': 0.25,
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 36,
      'gen_ai.usage.reasoning.output_tokens': 9,
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': 8000,
      'vigil.reasoning.closed': true,
      ...attributes,
    },
  };
}

/** The attribute that carries an answer's texts. */
export function messages(reasoning: string, answer: string): Record<string, Plain> {
  const parts = [
    { type: 'reasoning', content: reasoning },
    { type: 'text', content: answer },
  ];
  return { 'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts, finish_reason: 'stop' }]) };
}

function anyValue(value: Plain): Record<string, unknown> {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return { kvlistValue: { values: keyValues(value) } };
}

const keyValues = (attributes: Record<string, Plain>) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));

const nanos = (ms: number): string => `${Math.round(ms)}000000`;

/** An export as OTLP's JSON has it. */
export function toOtlp(list: readonly TestSpan[], resource: Record<string, Plain> = { 'host.name': 'node-1' }) {
  const spans = list.map((span) => ({
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanos(span.start!),
    endTimeUnixNano: nanos(span.end!),
    attributes: keyValues(span.attributes ?? {}),
    events: (span.events ?? []).map((e) => ({
      name: e.name,
      timeUnixNano: nanos(span.end!),
      attributes: keyValues(e.attributes),
    })),
    status: { code: span.status ?? 0 },
  }));
  const attributes = keyValues({ 'service.name': 'test', ...resource });
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: 't' }, spans }] }] };
}

export type Otlp = ReturnType<typeof toOtlp>;

export const jsonBody = (otlp: Otlp): Buffer => Buffer.from(JSON.stringify(otlp));

/** The same export in protobuf, encoded by protobufjs from the schema. */
export function protobufBody(otlp: Otlp): Buffer {
  const type = root.lookupType('ExportTraceServiceRequest');
  const bytes = (hex: string | undefined) => Buffer.from(hex ?? '', 'hex');
  const resourceSpans = otlp.resourceSpans.map(({ resource, scopeSpans }) => ({
    resource,
    scopeSpans: scopeSpans.map(({ scope, spans }) => ({
      scope,
      spans: spans.map((s) => ({
        ...s,
        traceId: bytes(s.traceId),
        spanId: bytes(s.spanId),
        parentSpanId: bytes(s.parentSpanId),
      })),
    })),
  }));
  return Buffer.from(type.encode(type.fromObject({ resourceSpans })).finish());
}

/** Reads an answer in protobuf. */
export function readProtobuf(
  type: 'ExportTraceServiceResponse' | 'RpcStatus',
  body: Uint8Array,
): Record<string, unknown> {
  const found = root.lookupType(type);
  return found.toObject(found.decode(body), { longs: Number });
}

export const PROTOBUF_HEADERS = { 'content-type': 'application/x-protobuf' };
export const JSON_HEADERS = { 'content-type': 'application/json' };

/** Posts an export to a collector. */
export function post(url: string, body: Uint8Array, headers: Record<string, string>): Promise<Response> {
  return fetch(`${url}/v1/traces`, { method: 'POST', headers, body: Buffer.from(body) });
}

/** The value of one series at `/metrics`, or `undefined` where it is not there. Labels in any order. */
export function seriesOf(metrics: string, name: string, labels: Record<string, string> = {}): number | undefined {
  for (const line of metrics.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match?.[1] !== name) continue;
    if (Object.entries(labels).every(([key, value]) => `,${match[2]},`.includes(`,${key}="${value}",`)))
      return Number(match[3]);
  }
  return undefined;
}

/** mulberry32: the same numbers on every run. */
export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
